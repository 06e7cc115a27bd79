"""Parts of SubNets, compiled into one window: any run of layers, over the weights that the whole SubNets read."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nigiri.compiler import CompiledBundle, DumpTensor
from nigiri.compiler.batches import batch_plan, check_batch
from nigiri.compiler.buffers import ALIGN, Buffer, Forms
from nigiri.compiler.compile import layer_table
from nigiri.compiler.constants import collect
from nigiri.compiler.emit import Areas, Program, check_rings, emit
from nigiri.compiler.errors import BatchError, ResidencyTableError
from nigiri.compiler.graph import INPUT, Entry, Network, SubNet
from nigiri.compiler.plan import scheduled
from nigiri.runtime.errors import BadArgument
from nigiri.spec import descriptor
from nigiri.spec.config import AcceleratorConfig
from nigiri.split.boundary import boundaries

__all__ = ["Part", "Parts", "compile_parts", "part_of"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Layers of a SubNet as a program of their own.

    inputs, outputs: by image of a launch, the tensors that the program reads and those that it writes, where they lie
    in the window.  passed: tensors that cross both ends untouched.
    """

    name: str
    subnet: SubNet
    inputs: tuple[tuple[DumpTensor, ...], ...]
    outputs: tuple[tuple[DumpTensor, ...], ...]
    passed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """Programs of parts in one window.  compiled: what an engine needs; its programs are those of the parts."""

    network: Network
    compiled: CompiledBundle
    parts: dict[str, Part]

    def part(self, name: str) -> Part:
        """The part called `name`; BadArgument lists those that exist."""
        if name not in self.parts:
            raise BadArgument(f"no part {name!r} is compiled: choose one of {', '.join(self.parts)}")
        return self.parts[name]


def part_of(network: Network, subnet: str, first: int, end: int) -> SubNet:
    """Layers `first` .. `end` - 1 of a SubNet, called "<SubNet>[first:end]".

    Raises
    ------
    GraphError: no such SubNet.  BadArgument: the cuts are not in order, or outside it.
    """
    whole = network.subnet(subnet)
    count = len(whole.layers)
    if not 0 <= first < end <= count:
        raise BadArgument(f"SubNet {subnet} has cuts 0 to {count}: a part from {first} to {end} is none")
    cuts = boundaries(network, whole)
    entries = tuple(Entry(name=t, channels=c, height=h, width=w) for t, c, h, w in cuts[first].tensors)
    return replace(whole, info=replace(whole.info, name=f"{subnet}[{first}:{end}]"), layers=whole.layers[first:end],
                   entries=() if entries[0].name == INPUT and len(entries) == 1 else entries,
                   exits=tuple(t for t, *_ in cuts[end].tensors))


def _described(buffer: Buffer, offset: int, image: int) -> DumpTensor:
    return DumpTensor(name=buffer.name, layer=0, offset=offset, channels=buffer.channels, height=buffer.rows,
                      width=buffer.width, stride=buffer.stride, phase=buffer.phase, first_row=buffer.first_row,
                      lead=buffer.lead, image=image)


def compile_parts(network: Network, config: AcceleratorConfig, parts: Sequence[SubNet], *, batch: int = 1) -> Parts:
    """A window with the network's weights and the programs of `parts`, such as :func:`part_of` makes.

    batch: images that every launch computes.

    Raises
    ------
    GraphError, ResidencyTableError, DynamicBufferError, ActivationBufferError, BatchError: as
        :func:`nigiri.compiler.compile_network` does.
    """
    check_batch(batch)
    if len(network.layers) > config.layers:
        raise ResidencyTableError(f"the SuperNet has {len(network.layers)} layers, the residency table of "
                                  f"configuration {config.name!r} has {config.layers} entries: choose a larger one")
    written = {p.info.name: {t for x in p.layers for t in (x.name, f"{x.name}.pool")} for p in parts}
    passed = {p.info.name: tuple(t for t in p.exits if t not in written[p.info.name]) for p in parts}
    # What only passes by is nothing that the program has to do with.
    parts = [_own(p, written[p.info.name]) for p in parts]
    cut = replace(network, subnets=tuple(parts))
    cut.check()
    constants = collect(cut)
    steps = {}
    for p in parts:
        check_rings(cut, p, config)
        if batch > 1 and p.operands:
            raise BatchError(f"part {p.info.name} has products of two tensors: compile it for one image a launch")
        steps[p.info.name], _ = scheduled(cut, config, batch_plan(cut, p, config, batch))
    weights = len(network.weights)
    first = weights + len(constants.words)

    def build(areas: Areas) -> dict[str, Program]:
        return {p.info.name: emit(cut, p, config, constants, steps[p.info.name], areas) for p in parts}

    draft = build(Areas(constants=weights))
    forms = {p.info.name: Forms(cut, p, config) for p in parts}
    size = descriptor.BYTES // 64
    inputs = first + size * sum(x.length for x in draft.values())
    results = inputs + batch * max(sum(forms[p.info.name].buffer(t).kept for t in p.starts) for p in parts) // ALIGN
    fills = results + max(x.words for x in draft.values())
    scratch = fills + 2 * len(network.layers)
    final = build(Areas(constants=weights, input=inputs, results=results, scratch=scratch))
    programs, done = {}, {}
    at = first
    for p in parts:
        name = p.info.name
        programs[name] = at, final[name].length
        at += size * final[name].length
        done[name] = Part(name=name, subnet=p, passed=passed[name],
                          inputs=tuple(_inputs(p, forms[name], inputs, batch, n) for n in range(batch)),
                          outputs=tuple(tuple(_described(s.buffer, results + s.offset, n)
                                              for s in final[name].stored if s.image == n) for n in range(batch)))
    image = np.concatenate([network.weights.reshape(-1), constants.words.reshape(-1),
                            np.frombuffer(b"".join(x.raw for x in final.values()), np.uint8)])
    compiled = CompiledBundle(
        config=config, network=network.name, classes=network.classes, image=image,
        window_words=scratch + max(x.scratch for x in final.values()), weight_words=weights, programs=programs,
        dump_programs={}, dumps={}, outputs={n: p.outputs[0][0] for n, p in done.items()},
        inputs={n: p.inputs[0][0] for n, p in done.items()},
        images={p.info.name: (*network.image_side(p), network.channels) for p in parts}, fold=network.fold,
        input_table=network.input_table, input_zp=network.input_zp, fill_offset=fills,
        fill_entries=2 * len(network.layers), layers=layer_table(cut), turned=network.turned, batch=batch)
    return Parts(network=network, compiled=compiled, parts=done)


def _own(p: SubNet, written: set[str]) -> SubNet:
    """The part without what passes it by."""
    read = {t for x in p.layers for t in x.reads}
    return replace(p, entries=tuple(e for e in p.entries if e.name in read),
                   exits=tuple(t for t in p.exits if t in written))


def _inputs(p: SubNet, forms: Forms, base: int, batch: int, image: int) -> tuple[DumpTensor, ...]:
    """Where the tensors of one image lie that the program begins with."""
    out = []
    for t in p.starts:
        buffer = forms.buffer(t)
        words = buffer.kept // ALIGN
        out.append(_described(buffer, base + image * words, image))
        base += batch * words
    return tuple(out)
