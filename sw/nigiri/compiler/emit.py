"""Writes the descriptors of one SubNet from its steps: LOADs, a CONV per layer or band, STOREs."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nigiri.compiler.bands import map_rows
from nigiri.compiler.buffers import ALIGN, Buffer, Forms, align
from nigiri.compiler.constants import Constants
from nigiri.compiler.errors import DynamicBufferError, GraphError
from nigiri.compiler.graph import Network, SubNet, blocks
from nigiri.compiler.schedule import Compute, Load, Step, Store
from nigiri.spec import descriptor
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag, Opcode

__all__ = ["Areas", "Program", "Stored", "check_rings", "emit"]


@dataclass(frozen=True, kw_only=True)
class Areas:
    """Where things lie in the window, in words: constants, the input, what the program stores, spilled tensors."""

    constants: int = 0
    input: int = 0
    results: int = 0
    scratch: int = 0


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A tensor of an image that a program writes to memory; offset in words from the results area."""

    buffer: Buffer
    layer: int
    offset: int
    image: int = 0


@dataclass(frozen=True, kw_only=True)
class Program:
    """Encoded descriptors, the tensors they store, and the words of the results and scratch areas that they use."""

    raw: bytes
    stored: tuple[Stored, ...]
    words: int
    scratch: int = 0

    @property
    def length(self) -> int:
        return len(self.raw) // descriptor.BYTES


def check_rings(network: Network, subnet: SubNet, config: AcceleratorConfig) -> None:
    """Raises DynamicBufferError when an output block of a layer does not fit a ring of the dynamic buffer."""
    for layer in subnet.layers:
        s = network.super_layer(layer)
        need = 1 + (1 if s.own_block else blocks(layer.cin)) * (layer.kernel if s.depthwise else layer.kernel ** 2)
        if need > config.ring_words:
            raise DynamicBufferError(f"SubNet {subnet.info.name}, layer {layer.name}: one output block needs {need} "
                                     f"words of dynamic buffer, configuration {config.name!r} has {config.ring_words}: "
                                     f"choose a larger configuration")


class _Emitter:
    def __init__(self, network: Network, subnet: SubNet, config: AcceleratorConfig, constants: Constants, areas: Areas,
                 steps: Sequence[Step]):
        self.network, self.subnet, self.constants, self.areas = network, subnet, constants, areas
        self.homes: dict[str, int] = {}
        self.scratch = 0
        forms, self.starts = Forms(network, subnet, config), dict[str, tuple[int, int]]()
        self.batch = max(x.image + x.images for x in steps if isinstance(x, Compute))
        first = 0
        for name in subnet.starts:                # all images of one tensor, then those of the next
            words = forms.buffer(name).kept // ALIGN
            self.starts[name] = first, words
            first += self.batch * words
        # What is loaded for several images at once lies in memory as in the activation buffer.
        self.together = {x.buffer.tensor: x.buffer for x in steps if isinstance(x, Load) and x.buffer.images > 1}

    def conv(self, step: Compute) -> dict[str, int]:
        layer, source, out, image = step.layer, step.source, step.out, step.image
        s, key = self.network.super_layer(layer), (self.subnet.info.name, layer.name)
        first, end = map_rows(s, layer, step.rows)
        d = {"opcode": Opcode.CONV, "layer": s.id, "kernel": layer.kernel, "in_w": layer.width, "in_h": layer.height,
             "out_blocks": blocks(layer.cout), "in_blocks": 1 if s.own_block else blocks(layer.cin),
             "in_base": source.at(first * s.step, image), "in_stride": source.stride, "in_phase": source.phase,
             "out_h": end - first, "y_first": first, "split": step.split,
             "mem_offset": s.offset, "w_taps": s.taps, "w_blocks": 0 if s.shared else s.in_blocks,
             "param_offset": self.areas.constants + self.constants.params[key], "zp_in": layer.zp_in,
             "zp_out": layer.zp_out, "act_min": layer.act_min, "act_max": layer.act_max}
        if s.product and step.operand:
            d |= {"mem_offset": self.home(step.operand, image), "w_taps": step.operand.stride // ALIGN, "w_blocks": 0}
        flags = Flag.PRODUCT * s.product | Flag.TRANSPOSE * s.transpose
        flags |= Flag.DEPTHWISE * s.depthwise | Flag.MAXIMUM * s.maximum | Flag.STRIDE2 * (s.step == 2)
        if layer.plane:                           # a phase plane is a tensor of half the size, read with stride 1
            flags &= ~Flag.STRIDE2
            d |= {"in_w": layer.width // 2, "in_h": layer.height // 2, "in_phase": 0,
                  "in_base": d["in_base"] + layer.plane * source.phase}
        if layer.table is not None:
            flags |= Flag.TABLE
            d["table_offset"] = self.areas.constants + self.constants.tables[key]
        if out is None:
            flags |= Flag.DISCARD
        else:
            flags |= Flag.POLYPHASE * bool(out.write_phase)
            d |= {"out_base": out.at(step.rows[0], image), "out_stride": out.stride, "out_phase": out.write_phase}
        if layer.residual and step.residual:
            r = layer.residual
            flags |= Flag.RESIDUAL
            d |= {"res_base": step.residual.at(step.rows[0], image), "res_stride": step.residual.stride,
                  "res_mult_y": r.mult_y, "res_mult_r": r.mult_r, "res_shift": r.shift, "zp_y": r.zp_y,
                  "zp_res": r.zp_res, "zp_sum": r.zp_sum}
        if layer.scale and step.gate:
            flags |= Flag.SCALE
            d |= {"scale_base": step.gate.at(0, image), "res_mult_y": layer.scale.mult, "res_shift": layer.scale.shift,
                  "zp_y": layer.scale.zp_y, "zp_sum": layer.scale.zp_sum}
        if layer.pool and step.pooled:
            flags |= Flag.POOL
            d |= {"pool_base": step.pooled.at(0, image), "pool_mult": layer.pool.mult, "pool_shift": layer.pool.shift,
                  "pool_zp": layer.pool.zp, "pool_offset": layer.pool.offset}
        if step.images > 1:
            tensors = {"in": source, "out": out, "res": step.residual, "scale": step.gate, "pool": step.pooled}
            d |= {f"{key}_image": b.image for key, b in tensors.items() if b} | {"extra_images": step.images - 1}
        return {**d, "flags": flags}

    def home(self, b: Buffer, image: int) -> int:
        """Where a tensor lies in memory: what the program starts with, or a place of its own in the scratch area.

        It has room for every image only where they are loaded together: otherwise one is done with before the next.
        """
        if b.tensor in self.starts:
            first, words = self.starts[b.tensor]
            return self.areas.input + first + image * words
        many = self.together.get(b.tensor)
        if many and b.tensor not in self.homes:
            self.homes[b.tensor] = self.scratch
            self.scratch += self.batch * many.image // ALIGN
        if many:
            return self.areas.scratch + self.homes[b.tensor] + image * many.image // ALIGN
        if b.tensor not in self.homes:
            self.homes[b.tensor] = self.scratch
            # As a whole, or as bands of rows of whole blocks, whichever is larger.
            block = 4 * b.phase if b.phase else align(b.height * b.width)
            self.scratch += align(blocks(b.channels) * block) // ALIGN
        return self.areas.scratch + self.homes[b.tensor]

    def move(self, step: Load | Store) -> Iterator[dict[str, int]]:
        """A transfer between memory and activation buffer."""
        b, home = step.buffer, self.home(step.buffer, step.image)
        opcode, base = (Opcode.LOAD, "out_base") if isinstance(step, Load) else (Opcode.STORE, "in_base")
        if step.rows is None:
            yield {"opcode": opcode, base: b.base, "length": b.span(b.images), "mem_offset": home}
            return
        # Rows are contiguous inside a block; the transfer begins and ends at whole memory words around them.
        block = align(b.height * b.width)
        for n in range(blocks(b.channels)):
            yield {"opcode": opcode, base: b.base + n * b.stride, "length": b.stride,
                   "mem_offset": home + (n * block + step.rows[0] * b.width - b.lead) // ALIGN}


def emit(network: Network, subnet: SubNet, config: AcceleratorConfig, constants: Constants, steps: Sequence[Step],
         areas: Areas, dump: bool = False) -> Program:
    """The program of placed `steps`.  It stores the SubNet's output, or with `dump` every buffer once it is complete.

    Raises
    ------
    GraphError: a parameter does not fit its field.
    """
    emitter = _Emitter(network, subnet, config, constants, areas, steps)
    lines: list[dict[str, int]] = []
    stored: list[Stored] = []
    complete = {(id(b), step.image): n for n, step in enumerate(steps) for b in step.writes}
    used = 0
    for n, step in enumerate(steps):
        if not isinstance(step, Compute):
            lines += emitter.move(step)
            continue
        lines.append(emitter.conv(step))
        for b in step.writes:
            wanted = b.tensor not in emitter.starts and (dump or b.tensor in subnet.ends)
            if wanted and complete[id(b), step.image] == n:
                length = b.span(step.images)
                lines.append({"opcode": Opcode.STORE, "in_base": b.origin(step.image), "length": length,
                              "mem_offset": areas.results + used})
                stored += [Stored(buffer=b, layer=step.layer.weights, offset=used + k * b.image // ALIGN,
                                  image=step.image + k) for k in range(step.images)]
                used += length // ALIGN
    raw = [_encode(line, config, f"SubNet {subnet.info.name}, descriptor {n}") for n, line in enumerate(lines)]
    return Program(raw=b"".join(raw), stored=tuple(stored), words=used, scratch=emitter.scratch)


def _encode(line: dict[str, int], config: AcceleratorConfig, where: str) -> bytes:
    try:
        raw = descriptor.pack(**line)
    except ValueError as e:
        raise GraphError(f"{where}: {e}") from e
    if rule := descriptor.problem(descriptor.unpack(raw), config):
        raise GraphError(f"{where}: {rule}")
    return raw
