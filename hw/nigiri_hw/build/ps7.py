"""The accelerator beside a Zynq-7000's processing system, without Vivado: the PS7 primitive and the wires to it.

Names and widths are the primitive's (UG585; the simulation library's PS7), not those of Vivado's IP.  Clocks, DDR and
pins are set up by the boot loader and PYNQ, not by the bitstream.
"""

from amaranth.hdl import (
    ClockDomain,
    ClockSignal,
    Const,
    DomainRenamer,
    Elaboratable,
    Instance,
    Module,
    ResetSignal,
    Signal,
)
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import connect

from nigiri.spec.config import AcceleratorConfig
from nigiri_hw.lib.axi3 import Axi3ToLite
from nigiri_hw.top import Accelerator

__all__ = ["HP_PORTS", "ZynqTop"]

HP_PORTS = 4
"""High-performance slave ports, 64 bits each."""


class ZynqTop(Elaboratable):
    """PS7, accelerator, and what lies between: GP0 to the registers, HP0 .. to the data ports, the interrupt.

    The clock is FCLK0.  The interrupt reaches the PS, but PYNQ wants an interrupt controller of Vivado's between, does
    not see it, and polls.

    Raises ValueError for a configuration with more ports than there are, or wider ones.
    """

    def __init__(self, config: AcceleratorConfig):
        if config.ports > HP_PORTS or config.port_bits != 64:
            raise ValueError(
                f"configuration {config.name!r} has {config.ports} data ports of {config.port_bits} bits, a Zynq-7000 "
                f"{HP_PORTS} of 64"
            )
        self.config = config

    def elaborate(self, platform):
        m = Module()
        bridge = Axi3ToLite()
        m.submodules.bridge = DomainRenamer("bus")(bridge)
        m.submodules.accelerator = core = Accelerator(self.config)
        connect(m, bridge.lite, core.s_axi)
        pins = self._control(bridge.axi)
        for n in range(self.config.ports):
            pins |= self._data(n, core)

        # The accelerator brings a domain of its own, with the same clock.
        m.domains.bus = ClockDomain()
        clocks, resets = Signal(4), Signal(4)
        m.submodules.clock = Instance("BUFG", i_I=clocks[0], o_O=ClockSignal("bus"))
        m.submodules.reset = ResetSynchronizer(~resets[0], domain="bus")
        m.d.comb += [core.aclk.eq(ClockSignal("bus")), core.aresetn.eq(~ResetSignal("bus"))]
        m.submodules.ps7 = Instance(
            "PS7", a_keep=1, o_FCLKCLK=clocks, o_FCLKRESETN=resets, i_IRQF2P=core.interrupt, **pins
        )
        return m

    @staticmethod
    def _control(axi):
        """The pins of GP0, master of the registers."""
        pins = {"i_MAXIGP0ACLK": ClockSignal("bus")}
        for name in ("arid", "araddr", "arlen", "arprot", "arvalid", "awid", "awaddr", "awlen", "awprot", "awvalid"):
            pins[f"o_MAXIGP0{name.upper()}"] = getattr(axi, name)
        for name in ("wdata", "wstrb", "wlast", "wvalid", "rready", "bready"):
            pins[f"o_MAXIGP0{name.upper()}"] = getattr(axi, name)
        for name in ("arready", "awready", "wready", "rid", "rdata", "rresp", "rlast", "rvalid"):
            pins[f"i_MAXIGP0{name.upper()}"] = getattr(axi, name)
        for name in ("bid", "bresp", "bvalid"):
            pins[f"i_MAXIGP0{name.upper()}"] = getattr(axi, name)
        return pins

    @staticmethod
    def _data(n, core):
        """The pins of high-performance port `n`; what our masters do not use is constant."""
        read, write = getattr(core, f"m{n}_axi_r"), getattr(core, f"m{n}_axi_w")
        port = f"SAXIHP{n}"
        pins = {f"i_{port}ACLK": ClockSignal("bus")}
        for side, channel in (("AR", read), ("AW", write)):
            low = side.lower()
            pins |= {
                f"i_{port}{side}ADDR": getattr(channel, f"{low}addr")[:32],
                f"i_{port}{side}LEN": getattr(channel, f"{low}len")[:4],
                f"i_{port}{side}SIZE": getattr(channel, f"{low}size")[:2],
                f"i_{port}{side}ID": Const(0, 6),
                f"i_{port}{side}LOCK": Const(0, 2),
                f"i_{port}{side}QOS": Const(0, 4),
            }
            for name in ("burst", "cache", "prot", "valid"):
                pins[f"i_{port}{side}{name.upper()}"] = getattr(channel, f"{low}{name}")
            pins[f"o_{port}{side}READY"] = getattr(channel, f"{low}ready")
        for name in ("rdata", "rresp", "rlast", "rvalid"):
            pins[f"o_{port}{name.upper()}"] = getattr(read, name)
        for name in ("wready", "bresp", "bvalid"):
            pins[f"o_{port}{name.upper()}"] = getattr(write, name)
        pins[f"i_{port}RREADY"] = read.rready
        for name in ("wdata", "wstrb", "wlast", "wvalid", "bready"):
            pins[f"i_{port}{name.upper()}"] = getattr(write, name)
        return pins | {f"i_{port}WID": Const(0, 6), f"i_{port}RDISSUECAP1EN": 0, f"i_{port}WRISSUECAP1EN": 0}
