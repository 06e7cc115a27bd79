"""Network and compiled programs as JSON and arrays, and back."""
from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from nigiri.compiler.compile import layer_table
from nigiri.compiler.compiled import CompiledBundle, DumpTensor
from nigiri.compiler.constants import Constants
from nigiri.compiler.graph import Fold, Layer, Network, Pool, Residual, Scale, SubNet, SubNetInfo, SuperLayer
from nigiri.compiler.pack import unpack_params
from nigiri.spec.config import AcceleratorConfig

__all__ = ["compiled_from", "compiled_to", "network_from", "network_to"]

SCALARS = ("name", "weights", "cin", "cout", "kernel", "height", "width", "source", "zp_in", "zp_out", "act_min",
           "act_max")
"""Fields of a layer that go into the manifest as they are."""
HEAD = ("name", "height", "width", "channels", "classes", "input_zp")
AREAS = ("window_words", "weight_words", "programs", "dump_programs", "fill_offset", "fill_entries")


def _layer_to(layer: Layer, params: int, table: int | None) -> dict[str, Any]:
    out = {key: getattr(layer, key) for key in SCALARS} | {"params": params}
    if table is not None:
        out["table"] = table
    if layer.plane:
        out["plane"] = layer.plane
    if layer.operand:
        out["operand"] = layer.operand
    if layer.step:
        out["step"] = layer.step
    if layer.residual:
        out["residual"] = asdict(layer.residual)
    if layer.scale:
        out["scale"] = asdict(layer.scale)
    if layer.pool:
        out["pool"] = asdict(layer.pool)
    return out


def _layer_from(data: dict[str, Any], constants: np.ndarray) -> Layer:
    def words(first: int, count: int) -> np.ndarray:
        if not (isinstance(first, int) and 0 <= first <= len(constants) - count):
            raise ValueError(f"layer {data['name']}: its constants lie outside tensor constants")
        return constants[first:first + count]

    bias, mult, shift = unpack_params(words(data["params"], -(-data["cout"] // 8)), data["cout"])
    table = words(data["table"], 4).reshape(-1).view(np.int8) if "table" in data else None
    return Layer(**{key: data[key] for key in SCALARS}, bias=bias, mult=mult, shift=shift, table=table,
                 plane=data.get("plane", 0), operand=data.get("operand", ""), step=float(data.get("step", 0.0)),
                 residual=Residual(**data["residual"]) if "residual" in data else None,
                 scale=Scale(**data["scale"]) if "scale" in data else None,
                 pool=Pool(**data["pool"]) if "pool" in data else None)


def network_to(network: Network, constants: Constants) -> dict[str, Any]:
    """The graph without its arrays: weights, constants and input table are members of their own."""
    return {**{key: getattr(network, key) for key in HEAD}, "layers": [asdict(s) for s in network.layers],
            "fold": asdict(network.fold) if network.fold else None, "turned": network.turned,
            "subnets": [{"info": asdict(s.info), "height": s.height, "width": s.width,
                         "layers": [_layer_to(x, constants.params[s.info.name, x.name],
                                              constants.tables.get((s.info.name, x.name)))
                                    for x in s.layers]} for s in network.subnets]}


def network_from(data: dict[str, Any], arrays: dict[str, np.ndarray]) -> Network:
    """The inverse; KeyError, TypeError, ValueError, AttributeError or GraphError when the data is not sound."""
    network = Network(
        **{key: data[key] for key in HEAD}, input_table=arrays["input_table"], weights=arrays["weights"],
        layers=tuple(SuperLayer(**s) for s in data["layers"]),
        fold=Fold(**data["fold"]) if data.get("fold") else None, turned=bool(data.get("turned", False)),
        subnets=tuple(SubNet(info=SubNetInfo(**s["info"]), height=s.get("height", 0), width=s.get("width", 0),
                             layers=tuple(_layer_from(x, arrays["constants"]) for x in s["layers"]))
                      for s in data["subnets"]))
    if network.input_table.shape != (network.channels, 256) or network.input_table.dtype != np.int8:
        raise ValueError(f"tensor input_table must be int8 [{network.channels}, 256]")
    network.check()
    return network


def compiled_to(compiled: CompiledBundle) -> dict[str, Any]:
    """Where things lie in the window; the programs' bytes are a member of their own."""
    return {**{key: getattr(compiled, key) for key in AREAS},
            "inputs": {name: asdict(t) for name, t in compiled.inputs.items()},
            "outputs": {name: asdict(t) for name, t in compiled.outputs.items()},
            "dumps": {name: [asdict(t) for t in tensors] for name, tensors in compiled.dumps.items()}}


def compiled_from(data: dict[str, Any], arrays: dict[str, np.ndarray], network: Network,
                  config: AcceleratorConfig) -> CompiledBundle:
    """The inverse; the same exceptions as :func:`network_from`."""
    return CompiledBundle(
        config=config, network=network.name, classes=network.classes, input_table=network.input_table,
        input_zp=network.input_zp,
        image=np.concatenate([arrays[key].reshape(-1) for key in ("weights", "constants", "programs")]),
        window_words=data["window_words"], weight_words=data["weight_words"], fill_offset=data["fill_offset"],
        fill_entries=data["fill_entries"], programs={k: (int(a), int(n)) for k, (a, n) in data["programs"].items()},
        dump_programs={k: (int(a), int(n)) for k, (a, n) in data["dump_programs"].items()},
        inputs={name: DumpTensor(**t) for name, t in data["inputs"].items()},
        images={s.info.name: (*network.image_side(s), network.channels) for s in network.subnets}, fold=network.fold,
        outputs={name: DumpTensor(**t) for name, t in data["outputs"].items()},
        dumps={name: tuple(DumpTensor(**t) for t in tensors) for name, tensors in data["dumps"].items()},
        layers=layer_table(network), turned=network.turned)
