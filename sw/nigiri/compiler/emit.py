"""Writes the descriptors of one SubNet: LOAD, one CONV per layer, STORE."""
from __future__ import annotations

from dataclasses import dataclass

from nigiri.compiler.allocate import Tensor, allocate
from nigiri.compiler.constants import Constants
from nigiri.compiler.errors import DynamicBufferError, GraphError
from nigiri.compiler.graph import INPUT, Layer, Network, SubNet
from nigiri.spec import descriptor
from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.descriptor import Flag, Opcode

__all__ = ["Program", "Stored", "emit"]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A tensor that a program writes to memory; offset in words from the area it was emitted for."""

    tensor: Tensor
    layer: int
    offset: int

    @property
    def words(self) -> int:
        return self.tensor.words // 8


@dataclass(frozen=True, kw_only=True)
class Program:
    """Encoded descriptors, the tensors they store, and the input tensor as it is loaded."""

    raw: bytes
    stored: tuple[Stored, ...]
    input: Tensor

    @property
    def length(self) -> int:
        return len(self.raw) // descriptor.BYTES


def _conv(network: Network, subnet: SubNet, layer: Layer, at: dict[str, Tensor], constants: Constants,
          base: int) -> dict[str, int]:
    s, key = network.super_layer(layer), (subnet.info.name, layer.name)
    source, out, pooled = at[layer.source], at.get(layer.name), at.get(f"{layer.name}.pool")
    d = {"opcode": Opcode.CONV, "layer": s.id, "kernel": layer.kernel, "in_w": layer.width, "in_h": layer.height,
         "out_blocks": -(-layer.cout // 8), "in_blocks": 1 if s.depthwise else -(-layer.cin // 8),
         "in_base": source.base, "in_stride": source.stride, "in_phase": source.phase,
         "mem_offset": s.offset, "w_taps": s.taps, "w_blocks": s.in_blocks,
         "param_offset": base + constants.params[key], "zp_in": layer.zp_in, "zp_out": layer.zp_out,
         "act_min": layer.act_min, "act_max": layer.act_max, "out_h": network.out_side(layer)[0]}
    flags = Flag.DEPTHWISE * s.depthwise | Flag.STRIDE2 * (s.stride == 2)
    if layer.table is not None:
        flags |= Flag.TABLE
        d["table_offset"] = base + constants.tables[key]
    if out is None:
        flags |= Flag.DISCARD
    else:
        flags |= Flag.POLYPHASE * bool(out.phase)
        d |= {"out_base": out.base, "out_stride": out.stride, "out_phase": out.phase}
    if layer.residual:
        r = layer.residual
        flags |= Flag.RESIDUAL
        d |= {"res_base": at[r.source].base, "res_stride": at[r.source].stride, "res_mult_y": r.mult_y,
              "res_mult_r": r.mult_r, "res_shift": r.shift, "zp_y": r.zp_y, "zp_res": r.zp_res, "zp_sum": r.zp_sum}
    if layer.pool and pooled:
        flags |= Flag.POOL
        d |= {"pool_base": pooled.base, "pool_mult": layer.pool.mult, "pool_shift": layer.pool.shift,
              "pool_zp": layer.pool.zp, "pool_offset": layer.pool.offset}
    return {**d, "flags": flags}


def emit(network: Network, subnet: SubNet, config: AcceleratorConfig, constants: Constants, *, constants_base: int,
         input_offset: int, area_offset: int, dump: bool = False) -> Program:
    """The program of a SubNet.  It stores its output, or with `dump` every tensor in order, from word `area_offset` on.

    Raises
    ------
    DynamicBufferError, ActivationBufferError: the SubNet does not fit `config`.
    GraphError: a parameter does not fit its field.
    """
    at = allocate(network, subnet, config, keep_all=dump)
    lines: list[dict[str, int]] = []
    stored: list[Stored] = []
    used = 0

    def store(name: str, layer: int) -> None:
        nonlocal used
        if name in at:
            tensor = at[name]
            lines.append({"opcode": Opcode.STORE, "in_base": tensor.base, "length": tensor.words,
                          "mem_offset": area_offset + used})
            stored.append(Stored(tensor=tensor, layer=layer, offset=used))
            used += tensor.words // 8

    lines.append({"opcode": Opcode.LOAD, "out_base": at[INPUT].base, "length": at[INPUT].words,
                  "mem_offset": input_offset})
    for layer in subnet.layers:
        d = _conv(network, subnet, layer, at, constants, constants_base)
        need = 1 + d["in_blocks"] * descriptor.taps(d)
        if need > config.ring_words:
            raise DynamicBufferError(f"SubNet {subnet.info.name}, layer {layer.name}: one output block needs {need} "
                                     f"words of dynamic buffer, configuration {config.name!r} has {config.ring_words}: "
                                     f"choose a larger configuration")
        lines.append(d)
        if dump:
            store(layer.name, layer.weights)
            store(f"{layer.name}.pool", layer.weights)
    if not dump:
        store(subnet.output, subnet.layers[-1].weights)
    raw = [_encode(line, config, f"SubNet {subnet.info.name}, descriptor {n}") for n, line in enumerate(lines)]
    return Program(raw=b"".join(raw), stored=tuple(stored), input=at[INPUT])


def _encode(line: dict[str, int], config: AcceleratorConfig, where: str) -> bytes:
    try:
        raw = descriptor.pack(**line)
    except ValueError as e:
        raise GraphError(f"{where}: {e}") from e
    if rule := descriptor.problem(descriptor.unpack(raw), config):
        raise GraphError(f"{where}: {rule}")
    return raw
