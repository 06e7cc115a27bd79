"""The eight channels of one pixel in the requantiser."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nigiri_hw.core.requant_lane import COMMON, OWN, RequantLane

__all__ = ["RequantPixel"]


class RequantPixel(wiring.Component):
    """Eight requantiser lanes, one for each channel of a pixel.

    Timing and resources: those of eight :class:`~nigiri_hw.core.requant_lane.RequantLane`.

    Members
    -------
    Those of a lane: once where all channels share them, else as eight elements, or bytes of a word.
    """

    def __init__(self, *, soft: bool = False):
        self._soft = soft
        super().__init__(
            {name: In(shape) for name, shape in COMMON.items()}
            | {name: In(shape).array(8) for name, shape in OWN.items()}
            | {"residual": In(64), "value": Out(64)}
        )

    def elaborate(self, platform):
        m = Module()
        for c in range(8):
            m.submodules[f"lane_{c}"] = lane = RequantLane(soft=self._soft)
            m.d.comb += [getattr(lane, name).eq(getattr(self, name)) for name in COMMON]
            m.d.comb += [getattr(lane, name).eq(getattr(self, name)[c]) for name in OWN]
            m.d.comb += [
                lane.residual.eq(self.residual.word_select(c, 8)),
                self.value.word_select(c, 8).eq(lane.value),
            ]
        return m
