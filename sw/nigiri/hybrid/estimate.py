"""Operator by operator: how long the array and the host take (H4H-NAS, section on its estimator, ours in the details).

Array: the cycle model over the compiled SubNet, layer by layer; what a layer takes depends on itself and, because its
weights are fetched ahead, on the layer before, so its time is kept by these two, and a SubNet of known operators needs
no compiler.  Host: measured on this
machine, operator by operator, in NumPy; `host_factor` scales it to another processor.
"""
from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from nigiri.compiler.graph import Layer, Network, SubNet
from nigiri.compiler.interpret import Interpreter
from nigiri.cycles import predict
from nigiri.hybrid.blank import blank
from nigiri.hybrid.host import Softmax, Step
from nigiri.hybrid.mapping import Link, Mapped, Operator, best_mapping
from nigiri.hybrid.space import HybridConfig, HybridSpace
from nigiri.spec import AcceleratorConfig, MemorySetting
from nigiri.spec.descriptor import Opcode
from nigiri.split.part import compile_parts

__all__ = ["Estimator"]

Key = tuple
"""What an operator is: kind, channels, kernel, image, and what follows its sums."""
REPEAT = 5
"""Times that the host runs an operator; the median counts."""


def _keys(network: Network, steps: Sequence[Step]) -> dict[str, Key]:
    """By layer: what it is, that an operand of a product is stored, and the layer before, during which its weights are
    fetched."""
    layers = [x for x in steps if isinstance(x, Layer)]
    operands = {x.operand for x in layers}
    out = {}
    before: Key = ()
    for x in layers:
        s = network.super_layer(x)
        out[x.name] = (s.depthwise, s.product, s.transpose, s.stride, x.cin, x.cout, x.kernel, x.height, x.width,
                       x.residual is not None, x.pool is not None, x.name in operands, before)
        before = (x.cin, x.cout, x.kernel, x.height, s.depthwise)
    return out


@dataclass(kw_only=True)
class Estimator:
    """Latency of SubNets of `space` on `config` with `memory`.

    link: what a change between host and array costs.  host_factor: this machine's times are multiplied by it.
    """

    space: HybridSpace
    config: AcceleratorConfig
    memory: MemorySetting
    link: Link = field(default_factory=Link)
    host_factor: float = 1.0
    array_ms: dict[Key, float] = field(default_factory=dict)
    host_ms: dict[Key, float] = field(default_factory=dict)
    compiled: int = 0

    def operators(self, subnet: HybridConfig) -> list[Operator]:
        """Every operator with its times, in order; compiles and measures only what is not known yet."""
        network, steps, parts = blank(self.space, subnet)
        keys = _keys(network, steps)
        if any(k not in self.array_ms for k in keys.values()):
            self.compiled += 1
            for name, ms in self.measured(network, parts).items():
                self.array_ms.setdefault(keys[name], ms)
        self._measure_host(network, steps, keys)
        out = []
        for x in steps:
            if isinstance(x, Softmax):
                tokens = len(x.sources) * next(y.cout for y in steps if isinstance(y, Layer) and y.name == x.sources[0])
                key = ("softmax", len(x.sources), tokens)
                out.append(Operator(name=x.name, kind="softmax", array_ms=None, reads=x.sources, writes=x.results,
                                    host_ms=self.host_ms[key] * self.host_factor))
            else:
                s = network.layers[x.weights]
                kind = "product" if s.product else "depthwise" if s.depthwise else f"{x.kernel}x{x.kernel}"
                out.append(Operator(name=x.name, kind=kind, array_ms=self.array_ms[keys[x.name]], reads=x.reads,
                                    writes=(x.name, *((f"{x.name}.pool",) if x.pool else ())),
                                    host_ms=self.host_ms[keys[x.name]] * self.host_factor))
        return out

    def bytes_of(self, subnet: HybridConfig) -> dict[str, int]:
        """Size of every tensor of a SubNet."""
        network, steps, _ = blank(self.space, subnet)
        out = {"input": self.space.channels * self.space.image**2}
        for x in steps:
            if isinstance(x, Softmax):
                out |= {r: out[s] for s, r in zip(x.sources, x.results, strict=True)}
            else:
                height, width = network.out_side(x)
                out |= {x.name: x.cout * height * width, f"{x.name}.pool": x.cout}
        return out

    def latency(self, subnet: HybridConfig) -> Mapped:
        """The best mapping of a SubNet's operators, and its time."""
        return best_mapping(self.operators(subnet), self.bytes_of(subnet), self.link)

    def measured(self, network: Network, parts: Sequence[SubNet | Softmax]) -> dict[str, float]:
        """Time of every layer on the array, ms, by name: stores and loads count with the layer before them."""
        programs = [p for p in parts if isinstance(p, SubNet)]
        compiled = compile_parts(network, self.config, programs).compiled
        out: dict[str, float] = {}
        for p in programs:
            name = p.info.name
            program = compiled.descriptors(name)
            got = predict(program, self.config, self.memory, offset=compiled.program(name)[0])
            names = iter(x.name for x in p.layers)
            now, waiting = "", 0.0
            for d, x in zip(program, got.layers, strict=True):
                if d["opcode"] == Opcode.CONV:
                    now = next(names)
                    out[now], waiting = waiting, 0.0
                if now:
                    out[now] += x.cycles / (1e3 * self.config.clock_mhz)
                else:
                    waiting += x.cycles / (1e3 * self.config.clock_mhz)
        return out

    def _measure_host(self, network: Network, steps: Sequence[Step], keys: Mapping[str, Key]) -> None:
        tensors: dict[str, np.ndarray] = {}
        todo = [x for x in steps if isinstance(x, Softmax) or keys[x.name] not in self.host_ms]
        if not todo:
            return
        rng = np.random.default_rng(0)
        shapes = {x.name: (1, *network.out_side(x), x.cout) for x in steps if isinstance(x, Layer)}
        for x in todo:
            if isinstance(x, Softmax):
                for s in x.sources:
                    tensors[s] = rng.integers(-128, 128, shapes[s], dtype=np.int8)
                tokens = shapes[x.sources[0]][-1] * len(x.sources)
                self.host_ms.setdefault(("softmax", len(x.sources), tokens), _timed(partial(x.run, tensors, -1)))
                continue
            for t in x.reads:
                if t == "input":
                    shape = (1, self.space.image, self.space.image, self.space.channels)
                elif t.endswith(".pool"):
                    shape = (1, 1, 1, x.cin)
                elif t in shapes:
                    shape = shapes[t]
                else:                                  # what softmax writes has the shape of its scores
                    shape = shapes[t.replace(".s", ".r")]
                tensors[t] = rng.integers(-127, 128, shape, dtype=np.int8)
            alone = SubNet(info=network.subnets[0].info, layers=(x,), entries=network.subnets[0].entries)
            runner = Interpreter.alone(network, alone)
            self.host_ms[keys[x.name]] = _timed(partial(runner.part, tensors, 0, 1))


def _timed(run: Callable[[], object]) -> float:
    """Median time in ms."""
    times = []
    for _ in range(REPEAT):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return 1e3 * float(np.median(times))
