"""From the AXI3 of a Zynq-7000's general-purpose master to our AXI4-Lite registers."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, Signature

from nigiri_hw.lib.axi import AxiLite

__all__ = ["Axi3", "Axi3ToLite"]


def Axi3(id_bits: int) -> Signature:
    """The channels of a 32-bit AXI3 master that a register slave needs; bursts of up to 16 words."""
    channels = {}
    for side in ("ar", "aw"):
        channels |= {
            f"{side}id": Out(id_bits),
            f"{side}addr": Out(32),
            f"{side}len": Out(4),
            f"{side}prot": Out(3),
            f"{side}valid": Out(1),
            f"{side}ready": In(1),
        }
    return Signature(
        channels
        | {
            "rid": In(id_bits),
            "rdata": In(32),
            "rresp": In(2),
            "rlast": In(1),
            "rvalid": In(1),
            "rready": Out(1),
            "wdata": Out(32),
            "wstrb": Out(4),
            "wlast": Out(1),
            "wvalid": Out(1),
            "wready": In(1),
            "bid": In(id_bits),
            "bresp": In(2),
            "bvalid": In(1),
            "bready": Out(1),
        }
    )


class Axi3ToLite(wiring.Component):
    """One burst at a time, as single accesses at rising addresses.

    Timing: a word takes the register's own time and two cycles more.  A write burst answers with its worst response.
    Resources: about 120 flip-flops.
    """

    def __init__(self, id_bits: int = 12):
        self._id_bits = id_bits
        super().__init__({"axi": In(Axi3(id_bits)), "lite": Out(AxiLite(12))})

    def elaborate(self, platform):
        m = Module()
        axi, lite = self.axi, self.lite
        self._read(m, axi, lite)
        self._write(m, axi, lite)
        return m

    def _read(self, m, axi, lite):
        tag, left = Signal(self._id_bits, name="rd_tag"), Signal(4, name="rd_left")
        m.d.comb += [axi.rid.eq(tag), lite.arprot.eq(axi.arprot)]
        with m.FSM(name="read"):
            with m.State("IDLE"):
                m.d.comb += axi.arready.eq(1)
                with m.If(axi.arvalid):
                    m.d.sync += [tag.eq(axi.arid), left.eq(axi.arlen), lite.araddr.eq(axi.araddr)]
                    m.next = "ASK"
            with m.State("ASK"):
                m.d.comb += lite.arvalid.eq(1)
                with m.If(lite.arready):
                    m.next = "DATA"
            with m.State("DATA"):
                m.d.comb += [
                    axi.rvalid.eq(lite.rvalid),
                    axi.rdata.eq(lite.rdata),
                    axi.rresp.eq(lite.rresp),
                    axi.rlast.eq(left == 0),
                    lite.rready.eq(axi.rready),
                ]
                with m.If(lite.rvalid & axi.rready):
                    m.d.sync += [left.eq(left - 1), lite.araddr.eq(lite.araddr + 4)]
                    m.next = "ASK"
                    with m.If(left == 0):
                        m.next = "IDLE"

    def _write(self, m, axi, lite):
        tag, last, worst = Signal(self._id_bits, name="wr_tag"), Signal(name="wr_last"), Signal(2, name="wr_worst")
        asked, given = Signal(name="wr_asked"), Signal(name="wr_given")
        m.d.comb += [axi.bid.eq(tag), lite.awprot.eq(axi.awprot), axi.bresp.eq(worst)]
        with m.FSM(name="write"):
            with m.State("IDLE"):
                m.d.comb += axi.awready.eq(1)
                with m.If(axi.awvalid):
                    m.d.sync += [tag.eq(axi.awid), lite.awaddr.eq(axi.awaddr), worst.eq(0)]
                    m.next = "WORD"
            with m.State("WORD"):
                m.d.comb += axi.wready.eq(1)
                with m.If(axi.wvalid):
                    m.d.sync += [lite.wdata.eq(axi.wdata), lite.wstrb.eq(axi.wstrb), last.eq(axi.wlast)]
                    m.d.sync += [asked.eq(0), given.eq(0)]
                    m.next = "GIVE"
            with m.State("GIVE"):
                m.d.comb += [lite.awvalid.eq(~asked), lite.wvalid.eq(~given), lite.bready.eq(1)]
                with m.If(lite.awready):
                    m.d.sync += asked.eq(1)
                with m.If(lite.wready):
                    m.d.sync += given.eq(1)
                with m.If(lite.bvalid):
                    m.d.sync += lite.awaddr.eq(lite.awaddr + 4)
                    with m.If(lite.bresp > worst):
                        m.d.sync += worst.eq(lite.bresp)
                    m.next = "WORD"
                    with m.If(last):
                        m.next = "ANSWER"
            with m.State("ANSWER"):
                m.d.comb += axi.bvalid.eq(1)
                with m.If(axi.bready):
                    m.next = "IDLE"
