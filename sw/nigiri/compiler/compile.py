"""Compiles a network for a configuration: lays out the window and emits every program."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nigiri.compiler.batches import batch_plan, check_batch
from nigiri.compiler.buffers import ALIGN, Buffer, Forms
from nigiri.compiler.compiled import CompiledBundle, DumpTensor, LayerInfo
from nigiri.compiler.constants import collect
from nigiri.compiler.emit import Areas, Program, Stored, check_rings, emit
from nigiri.compiler.errors import BatchError, ResidencyTableError
from nigiri.compiler.graph import INPUT, Network, SubNet
from nigiri.compiler.plan import Plan, scheduled
from nigiri.compiler.schedule import Step
from nigiri.runtime.errors import BadArgument
from nigiri.spec import descriptor
from nigiri.spec.config import AcceleratorConfig

__all__ = ["compile_network", "layer_table"]

DESCRIPTOR_WORDS = descriptor.BYTES // 64


def layer_table(network: Network) -> tuple[LayerInfo, ...]:
    """The SuperNet's layers with the output pixels that each SubNet computes with them."""
    pixels: list[dict[str, int]] = [{} for _ in network.layers]
    for subnet in network.subnets:
        for layer in subnet.layers:
            height, width = network.out_side(layer)
            if network.super_layer(layer).cacheable:
                pixels[layer.weights][subnet.info.name] = height * width
    return tuple(LayerInfo(id=s.id, name=s.name, depthwise=s.depthwise, kernel=s.kernel, stride=s.stride,
                           out_blocks=s.out_blocks, in_blocks=s.in_blocks, taps=s.taps, mem_offset=s.offset,
                           w_taps=s.taps, w_blocks=s.in_blocks if s.cacheable else 0, shared=not s.cacheable,
                           pixels=pixels[s.id]) for s in network.layers)


def _described(buffer: Buffer, layer: int, offset: int, image: int = 0) -> DumpTensor:
    return DumpTensor(name=buffer.name, layer=layer, offset=offset, channels=buffer.channels, height=buffer.rows,
                      width=buffer.width, stride=buffer.stride, phase=buffer.phase, first_row=buffer.first_row,
                      lead=buffer.lead, image=image)


def _stored(stored: Sequence[Stored], base: int) -> tuple[DumpTensor, ...]:
    return tuple(_described(s.buffer, s.layer, base + s.offset, s.image) for s in stored)


def _steps(network: Network, subnet: SubNet, config: AcceleratorConfig, plan: Plan | None,
           batch: int) -> tuple[list[Step], list[Step]]:
    """Placed steps of the program and of its dump variant, which keeps results that only a pool reads if they fit."""
    check_rings(network, subnet, config)
    if batch > 1 and subnet.operands:
        raise BatchError(f"SubNet {subnet.info.name} has products of two tensors, whose operands are one image's own: "
                         f"compile it for one image a launch")
    plan = plan or batch_plan(network, subnet, config, batch)
    if plan.batch != batch:
        raise BadArgument(f"the plan of SubNet {subnet.info.name} is for {plan.batch} images a launch, not {batch}: "
                          f"make one with batch_plan")
    steps, _ = scheduled(network, config, plan)
    kept, need = scheduled(network, config, plan, keep_all=True)
    return steps, kept if need <= config.ab_words else steps


def compile_network(network: Network, config: AcceleratorConfig, plans: Mapping[str, Plan] | None = None, *,
                    batch: int = 1, behind: CompiledBundle | None = None) -> CompiledBundle:
    """Everything a device of `config` needs to run any SubNet of `network`.

    plans: by SubNet, those of :func:`nigiri.compiler.batches.batch_plan` where they are known already.
    batch: images that every launch computes, 1 to 16; layers that fit read their weights once for all of them.
    behind: the same network compiled for another batch; programs and tensors of this one lie behind its window, so that
        one window can hold both, with the same weights.

    Raises
    ------
    BadArgument: no such batch, or a plan is for another one.
    GraphError: the network is not well formed.
    ResidencyTableError, DynamicBufferError, ActivationBufferError: it does not fit `config`.
    BatchError: a batch of this size does not.
    """
    check_batch(batch)
    network.check()
    if len(network.layers) > config.layers:
        raise ResidencyTableError(f"SuperNet layer {network.layers[config.layers].name}: the SuperNet has "
                                  f"{len(network.layers)} layers, the residency table of configuration "
                                  f"{config.name!r} has {config.layers} entries: choose a larger configuration")
    constants = collect(network)
    weight_words = len(network.weights)
    end = weight_words + len(constants.words)
    first_program = behind.window_words if behind else end
    steps = {s.info.name: _steps(network, s, config, (plans or {}).get(s.info.name), batch) for s in network.subnets}

    def build(input_offset: int, output_offset: int, scratch_offset: int,
              dump_offset: int) -> list[tuple[str, bool, Program]]:
        return [(s.info.name, dump,
                 emit(network, s, config, constants, steps[s.info.name][dump],
                      Areas(constants=weight_words, input=input_offset,
                            results=dump_offset if dump else output_offset, scratch=scratch_offset), dump=dump))
                for s in network.subnets for dump in (False, True)]

    # Lengths do not depend on the offsets: a first round measures, a second one writes.
    draft = build(0, 0, 0, 0)
    input_offset = first_program + DESCRIPTOR_WORDS * sum(p.length for _, _, p in draft)
    inputs = {s.info.name: Forms(network, s, config).buffer(INPUT) for s in network.subnets}
    output_offset = input_offset + batch * max(b.kept for b in inputs.values()) // ALIGN
    fill_offset = output_offset + max(p.words for _, dump, p in draft if not dump)
    fill_entries = 2 * len(network.layers)
    scratch_offset = fill_offset + fill_entries
    dump_offset = scratch_offset + max(p.scratch for _, _, p in draft)
    final = build(input_offset, output_offset, scratch_offset, dump_offset)

    programs: dict[str, tuple[int, int]] = {}
    dump_programs: dict[str, tuple[int, int]] = {}
    dumps, outputs, batch_outputs = {}, {}, {}
    at = first_program
    for name, dump, program in final:
        (dump_programs if dump else programs)[name] = (at, program.length)
        at += DESCRIPTOR_WORDS * program.length
        if dump:
            dumps[name] = _stored(program.stored, dump_offset)
        else:
            batch_outputs[name] = _stored(program.stored, output_offset)
            outputs[name] = batch_outputs[name][0]
    image = np.concatenate([network.weights.reshape(-1), constants.words.reshape(-1),
                            np.zeros(64 * (first_program - end), np.uint8),
                            np.frombuffer(b"".join(p.raw for _, _, p in final), np.uint8)])
    return CompiledBundle(
        config=config, network=network.name, classes=network.classes, image=image,
        window_words=dump_offset + max(p.words for _, dump, p in final if dump), weight_words=weight_words,
        programs=programs, dump_programs=dump_programs, dumps=dumps, outputs=outputs,
        inputs={name: _described(b, 0, input_offset) for name, b in inputs.items()},
        images={s.info.name: (*network.image_side(s), network.channels) for s in network.subnets}, fold=network.fold,
        input_table=network.input_table, input_zp=network.input_zp, fill_offset=fill_offset, fill_entries=fill_entries,
        layers=layer_table(network), turned=network.turned, batch=batch,
        batch_outputs=batch_outputs if batch > 1 else {})
