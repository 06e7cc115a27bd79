"""The executor: runs a program from its memory image, one descriptor after the other."""
from __future__ import annotations

from collections import Counter

import numpy as np

from nigiri.model import arith, conv, tensors
from nigiri.model.dma import Window
from nigiri.model.memory import BusFault
from nigiri.model.residency import Residency
from nigiri.spec import descriptor
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag, Opcode
from nigiri.spec.errors import ErrorCode

__all__ = ["PARAMETERS", "Machine", "ProgramFault"]

PARAMETERS = np.dtype([("bias", "<i4"), ("mult", "<u2"), ("shift", "u1"), ("zero", "u1")])
"""Requantisation parameters of one output channel; a word holds eight."""

_PER_IMAGE = ("in", "out", "res", "pool", "scale")
"""What every image of a batch has of its own."""
_CHUNK_WORDS = 1 << 14
_CHUNK_VALUES = 1 << 20


class ProgramFault(Exception):
    """A program stopped at descriptor `index` with `code`."""

    def __init__(self, code: ErrorCode, index: int):
        super().__init__(f"descriptor {index}: {code.name}")
        self.code, self.index = code, index


class Machine:
    """State of one accelerator and the meaning of its descriptors.

    Attributes
    ----------
    ab: activation buffer, int8 [ab_span, 8]; zero at power-on, kept by a reset.
    residency: residency table and persistent buffer.
    counters: bytes by upper-case counter name; cleared when a program starts.
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        self.ab = np.zeros((config.ab_span, 8), np.int8)
        self.residency = Residency(config)
        self.counters: Counter[str] = Counter()

    def run(self, window: Window, offset: int, length: int) -> None:
        """Execute `length` descriptors at word `offset`; ProgramFault when one fails, all earlier ones have effect."""
        self.counters.clear()
        for n in range(length):
            try:
                d = descriptor.unpack(window.read(offset + 2 * n, 2).tobytes())
                self.counters["BYTES_DESCRIPTORS"] += descriptor.BYTES
                self.execute(window, d)
            except BusFault as fault:
                raise ProgramFault(fault.code, n) from fault

    def execute(self, window: Window, d: dict[str, int]) -> None:
        """One unpacked descriptor; BusFault with the error code when it fails."""
        if descriptor.problem(d, self.config):
            raise BusFault(ErrorCode.DESCRIPTOR)
        {Opcode.CONV: self._conv, Opcode.LOAD: self._load, Opcode.STORE: self._store}[Opcode(d["opcode"])](window, d)

    def _load(self, window: Window, d: dict[str, int]) -> None:
        data = window.read(d["mem_offset"], d["length"] // 8)
        self.ab[(d["out_base"] + np.arange(d["length"])) % len(self.ab)] = data.view(np.int8).reshape(-1, 8)
        self.counters["BYTES_ACT_IN"] += 8 * d["length"]

    def _store(self, window: Window, d: dict[str, int]) -> None:
        data = self.ab[(d["in_base"] + np.arange(d["length"])) % len(self.ab)]
        window.write(d["mem_offset"], data.view(np.uint8).reshape(-1, 64))
        self.counters["BYTES_ACT_OUT"] += 8 * d["length"]

    def _conv(self, window: Window, d: dict[str, int]) -> None:
        table = None
        if d["flags"] & Flag.TABLE:
            table = window.read(d["table_offset"], 4).reshape(-1)
            self.counters["BYTES_TABLES"] += 256
        pixels = d["out_h"] * conv.out_side(d["in_w"], 2 if d["flags"] & Flag.STRIDE2 else 1)
        step = max(1, min(_CHUNK_WORDS // (1 + d["in_blocks"] * descriptor.taps(d)), _CHUNK_VALUES // (8 * pixels)))
        for first in range(0, d["out_blocks"], step):
            blocks = range(first, min(first + step, d["out_blocks"]))
            params, weights = self._fetch(window, d, blocks)
            for n in range(1 + d["extra_images"]):
                image = d | {f"{key}_base": d[f"{key}_base"] + n * d[f"{key}_image"] for key in _PER_IMAGE}
                acc = self._accumulate(image, blocks, weights)
                v = arith.requantise(acc, params["bias"], params["mult"], params["shift"] & 63, d["zp_out"])
                self._finish(image, blocks, v, table)

    def _fetch(self, window: Window, d: dict[str, int], blocks: range) -> tuple[np.ndarray, np.ndarray]:
        """Parameters [8 * blocks] and weights int8 [block, in_block, tap, 8, 8], read block by block."""
        taps = descriptor.taps(d)
        ob, ib, tap = np.ogrid[blocks.start:blocks.stop, :d["in_blocks"], :taps]
        resident = self.residency.locate(d["layer"], ob, ib, tap).reshape(len(blocks), -1)
        address = (d["mem_offset"] + (ob * d["w_blocks"] + ib) * d["w_taps"] + tap).reshape(len(blocks), -1)
        transpose = d["flags"] & Flag.TRANSPOSE
        if d["flags"] & Flag.PRODUCT:
            resident = np.full_like(resident, -1)
            row, column = (ob, ib) if transpose else (ib, ob)
            address = (d["mem_offset"] + row * d["w_taps"] + column).reshape(len(blocks), -1)
        column = np.arange(blocks.start, blocks.stop, dtype=np.int64)[:, None]
        wanted = np.concatenate([d["param_offset"] + column, address], axis=1)
        in_pb = np.concatenate([np.full_like(column, -1), resident], axis=1) >= 0
        words = np.empty((*wanted.shape, 64), np.uint8)
        words[~in_pb] = window.gather(wanted[~in_pb])
        words[in_pb] = self.residency.pb[resident[resident >= 0]]
        from_pb = int(in_pb.sum())
        self.counters["BYTES_TABLES"] += 64 * len(blocks)
        self.counters["BYTES_WEIGHTS_PB"] += 64 * from_pb
        self.counters["BYTES_WEIGHTS_DRAM"] += 64 * (address.size - from_pb)
        params = np.ascontiguousarray(words[:, 0]).view(PARAMETERS).reshape(-1)
        weights = np.ascontiguousarray(words[:, 1:]).view(np.int8)
        weights = weights.reshape(len(blocks), d["in_blocks"], taps, 8, 8)
        return params, weights.swapaxes(-1, -2) if transpose else weights

    def _input(self, d: dict[str, int], blocks: range, stride: int) -> np.ndarray:
        """int8 [rows, columns, 8 * blocks]: all pixels that the taps see, padding included."""
        radius, width = d["kernel"] // 2, d["in_w"]
        first = stride * d["y_first"] - radius
        end = stride * (d["y_first"] + d["out_h"] - 1) + radius + 1
        rows = range(max(first, 0), min(end, d["in_h"]))
        image = np.full((end - first, width + 2 * radius, 8 * len(blocks)), d["zp_in"], np.int8)
        if rows:
            index = tensors.polyphase(rows, width, d["in_phase"]) if stride == 2 else tensors.plain(rows, width)
            # in_base lies under the first output row: the tensor's own first row is y_first rows (of planes) above.
            base = d["in_base"] - d["y_first"] * conv.out_side(width, stride)
            image[rows.start - first:rows.stop - first, radius:radius + width] = tensors.load(
                self.ab, base, d["in_stride"], blocks, index)
        return image

    def _accumulate(self, d: dict[str, int], blocks: range, weights: np.ndarray) -> np.ndarray:
        """Exact sums [oh, ow, 8 * blocks]; requantisation wraps them."""
        depthwise, maximum = bool(d["flags"] & Flag.DEPTHWISE), bool(d["flags"] & Flag.MAXIMUM)
        stride = 2 if d["flags"] & Flag.STRIDE2 else 1
        x = self._input(d, blocks if depthwise or maximum else range(d["in_blocks"]), stride)
        shape = d["kernel"], stride, d["out_h"], conv.out_side(d["in_w"], stride)
        taps = weights.shape[2]
        if maximum:
            return conv.maximum(x, *shape)
        if depthwise:
            return conv.depthwise(x, weights[:, 0].transpose(1, 3, 0, 2).reshape(taps, 8, -1), *shape)
        return conv.dense(x, weights.transpose(2, 1, 4, 0, 3).reshape(taps, 8 * d["in_blocks"], -1), *shape)

    def _finish(self, d: dict[str, int], blocks: range, v: np.ndarray, table: np.ndarray | None) -> None:
        """Everything after requantisation, on v [oh, ow, 8 * blocks]."""
        oh, ow, _ = v.shape
        if table is not None:
            v = arith.lookup(table, v)
        if d["flags"] & (Flag.RESIDUAL | Flag.SCALE):
            mult_y, mult_r, r = np.asarray(d["res_mult_y"]), d["res_mult_r"], np.zeros_like(v)
            if d["flags"] & Flag.SCALE:
                codes = tensors.load(self.ab, d["scale_base"], 1, blocks, np.zeros((1, 1), np.int64))
                mult_y = arith.scale_factor(codes.reshape(-1), d["res_mult_y"])
            if d["flags"] & Flag.RESIDUAL:
                r = tensors.load(self.ab, d["res_base"], d["res_stride"], blocks, tensors.plain(range(oh), ow))
            else:
                mult_r = 0
            v = arith.add_residual(v, r, mult_y=mult_y, mult_r=mult_r, shift=d["res_shift"],
                                   zp_y=d["zp_y"], zp_res=d["zp_res"], zp_sum=d["zp_sum"])
        # clamp(v, low, high) takes the upper bound first, then the lower: low wins where they cross
        v = np.maximum(np.minimum(v, d["act_max"]), d["act_min"])
        if not d["flags"] & Flag.DISCARD:
            place = (tensors.polyphase(range(oh), ow, d["out_phase"]) if d["flags"] & Flag.POLYPHASE
                     else tensors.plain(range(oh), ow))
            tensors.store(self.ab, d["out_base"], d["out_stride"], blocks, place, v)
        if d["flags"] & Flag.POOL:
            pooled = arith.requantise(arith.wrap32(v.sum(axis=(0, 1))), d["pool_offset"], d["pool_mult"],
                                      d["pool_shift"], d["pool_zp"])
            tensors.store(self.ab, d["pool_base"], 1, blocks, np.zeros((1, 1), np.int64), pooled.reshape(1, 1, -1))
