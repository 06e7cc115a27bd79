"""Compiles a network for a configuration: lays out the window and emits every program."""
from __future__ import annotations

import numpy as np

from nigiri.compiler.allocate import Tensor
from nigiri.compiler.compiled import CompiledBundle, DumpTensor, LayerInfo
from nigiri.compiler.constants import collect
from nigiri.compiler.emit import Program, Stored, emit
from nigiri.compiler.errors import ResidencyTableError
from nigiri.compiler.graph import Network
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
            pixels[layer.weights][subnet.info.name] = height * width
    return tuple(LayerInfo(id=s.id, name=s.name, depthwise=s.depthwise, kernel=s.kernel, stride=s.stride,
                           out_blocks=s.out_blocks, in_blocks=s.in_blocks, taps=s.taps, mem_offset=s.offset,
                           w_taps=s.taps, w_blocks=s.in_blocks, pixels=pixels[s.id]) for s in network.layers)


def _described(tensor: Tensor, layer: int, offset: int) -> DumpTensor:
    return DumpTensor(name=tensor.name, layer=layer, offset=offset, channels=tensor.channels, height=tensor.height,
                      width=tensor.width, stride=tensor.stride, phase=tensor.phase)


def _words(stored: tuple[Stored, ...]) -> int:
    return sum(s.words for s in stored)


def compile_network(network: Network, config: AcceleratorConfig) -> CompiledBundle:
    """Everything a device of `config` needs to run any SubNet of `network`.

    Raises
    ------
    GraphError: the network is not well formed.
    ResidencyTableError, DynamicBufferError, ActivationBufferError: it does not fit `config`.
    """
    network.check()
    if len(network.layers) > config.layers:
        raise ResidencyTableError(f"SuperNet layer {network.layers[config.layers].name}: the SuperNet has "
                                  f"{len(network.layers)} layers, the residency table of configuration "
                                  f"{config.name!r} has {config.layers} entries: choose a larger configuration")
    constants = collect(network)
    weight_words = len(network.weights)
    first_program = weight_words + len(constants.words)

    def build(input_offset: int, output_offset: int, dump_offset: int) -> list[tuple[str, bool, Program]]:
        return [(s.info.name, dump,
                 emit(network, s, config, constants, constants_base=weight_words, input_offset=input_offset,
                                         area_offset=dump_offset if dump else output_offset, dump=dump))
                for s in network.subnets for dump in (False, True)]

    # Lengths do not depend on the offsets: a first round measures, a second one writes.
    draft = build(0, 0, 0)
    image_words = first_program + DESCRIPTOR_WORDS * sum(p.length for _, _, p in draft)
    input_offset = image_words
    output_offset = input_offset + draft[0][2].input.words // 8
    fill_offset = output_offset + max(_words(p.stored) for _, dump, p in draft if not dump)
    fill_entries = 2 * len(network.layers)
    dump_offset = fill_offset + fill_entries
    final = build(input_offset, output_offset, dump_offset)

    programs: dict[str, tuple[int, int]] = {}
    dump_programs: dict[str, tuple[int, int]] = {}
    dumps, outputs = {}, {}
    at = first_program
    for name, dump, program in final:
        (dump_programs if dump else programs)[name] = (at, program.length)
        at += DESCRIPTOR_WORDS * program.length
        if dump:
            dumps[name] = tuple(_described(s.tensor, s.layer, dump_offset + s.offset) for s in program.stored)
        else:
            outputs[name] = _described(program.stored[0].tensor, program.stored[0].layer, output_offset)
    image = np.concatenate([network.weights.reshape(-1), constants.words.reshape(-1),
                            np.frombuffer(b"".join(p.raw for _, _, p in final), np.uint8)])
    window_words = dump_offset + max(_words(p.stored) for _, dump, p in final if dump)
    return CompiledBundle(
        config=config, network=network.name, classes=network.classes, image=image, window_words=window_words,
        weight_words=weight_words, programs=programs, dump_programs=dump_programs, dumps=dumps, outputs=outputs,
        input=_described(final[0][2].input, 0, input_offset), input_table=network.input_table,
        input_zp=network.input_zp,
        fill_offset=fill_offset, fill_entries=fill_entries, layers=layer_table(network))
