"""The eight channels of one pixel in the requantiser."""

from amaranth.hdl import Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nigiri_hw.core.requant_lane import LATENCY, RequantLane

__all__ = ["RequantPixel"]


class RequantPixel(wiring.Component):
    """Eight requantiser lanes, one for each channel of a pixel.

    Timing and resources: those of eight :class:`~nigiri_hw.core.requant_lane.RequantLane`.

    Members
    -------
    As of a lane; what differs from channel to channel has eight elements or bytes.
    """

    def __init__(self):
        super().__init__(
            {
                "en": In(LATENCY),
                "acc": In(signed(32)).array(8),
                "bias": In(signed(32)).array(8),
                "mult": In(16).array(8),
                "half": In(63).array(8),
                "shift": In(6).array(8),
                "zp_out": In(signed(8)),
                "use_table": In(1),
                "table_en": In(1),
                "table_addr": In(5),
                "table_words": In(64),
                "use_residual": In(1),
                "residual": In(64),
                "zp_y": In(signed(8)),
                "zp_res": In(signed(8)),
                "zp_sum": In(signed(8)),
                "mult_y": In(16).array(8),
                "mult_r": In(16),
                "res_half": In(63),
                "res_shift": In(6),
                "act_min": In(signed(8)),
                "act_max": In(signed(8)),
                "value": Out(64),
            }
        )

    def elaborate(self, platform):
        m = Module()
        common = (
            "en zp_out use_table table_en table_addr table_words use_residual zp_y zp_res zp_sum mult_r res_half "
            "res_shift act_min act_max"
        )
        for c in range(8):
            m.submodules[f"lane_{c}"] = lane = RequantLane()
            m.d.comb += [getattr(lane, name).eq(getattr(self, name)) for name in common.split()]
            m.d.comb += [
                lane.acc.eq(self.acc[c]),
                lane.bias.eq(self.bias[c]),
                lane.mult.eq(self.mult[c]),
                lane.half.eq(self.half[c]),
                lane.shift.eq(self.shift[c]),
                lane.mult_y.eq(self.mult_y[c]),
                lane.residual.eq(self.residual.word_select(c, 8)),
                self.value.word_select(c, 8).eq(lane.value),
            ]
        return m
