"""AXI4 and AXI4-Lite signatures, named as AMBA names the signals; no IDs, so everything stays in order."""

from amaranth.lib.wiring import In, Out, Signature

__all__ = ["ADDRESS_BITS", "AxiLite", "ReadPort", "WritePort"]

ADDRESS_BITS = 40
"""Physical address bits of the data ports."""


def ReadPort(bits: int) -> Signature:
    """The read channels of an AXI4 master with `bits` of data."""
    return Signature(
        {
            "araddr": Out(ADDRESS_BITS),
            "arlen": Out(8),
            "arsize": Out(3),
            "arburst": Out(2),
            "arcache": Out(4),
            "arprot": Out(3),
            "arvalid": Out(1),
            "arready": In(1),
            "rdata": In(bits),
            "rresp": In(2),
            "rlast": In(1),
            "rvalid": In(1),
            "rready": Out(1),
        }
    )


def WritePort(bits: int) -> Signature:
    """The write channels of an AXI4 master with `bits` of data."""
    return Signature(
        {
            "awaddr": Out(ADDRESS_BITS),
            "awlen": Out(8),
            "awsize": Out(3),
            "awburst": Out(2),
            "awcache": Out(4),
            "awprot": Out(3),
            "awvalid": Out(1),
            "awready": In(1),
            "wdata": Out(bits),
            "wstrb": Out(bits // 8),
            "wlast": Out(1),
            "wvalid": Out(1),
            "wready": In(1),
            "bresp": In(2),
            "bvalid": In(1),
            "bready": Out(1),
        }
    )


def AxiLite(address_bits: int) -> Signature:
    """An AXI4-Lite interface with 32 bits of data, seen from the master."""
    return Signature(
        {
            "awaddr": Out(address_bits),
            "awprot": Out(3),
            "awvalid": Out(1),
            "awready": In(1),
            "wdata": Out(32),
            "wstrb": Out(4),
            "wvalid": Out(1),
            "wready": In(1),
            "bresp": In(2),
            "bvalid": In(1),
            "bready": Out(1),
            "araddr": Out(address_bits),
            "arprot": Out(3),
            "arvalid": Out(1),
            "arready": In(1),
            "rdata": In(32),
            "rresp": In(2),
            "rvalid": In(1),
            "rready": Out(1),
        }
    )
