"""Many queries on the RTL with changes of the cache, failing memory and resets: nothing leaks, nothing drifts."""
from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from nigiri.compiler import CompiledBundle, compile_network
from nigiri.compiler.toy import toy_network
from nigiri.model.device import GoldenDevice
from nigiri.runtime.engine import Engine
from nigiri.runtime.errors import DeviceError
from nigiri.sched.subgraph import clip
from nigiri.spec import get_config, get_memory
from nigiri_sim.device import RtlDevice

__all__ = ["soak"]

WORD = 64
CONFIG = replace(get_config("tiny"), layers=32)


def _boxes(compiled: CompiledBundle, name: str, rng: np.random.Generator) -> dict[int, tuple[int, int, int]]:
    """A part of a SubNet that fits the persistent buffer: some layers, in random order."""
    boxes = compiled.subnet_boxes(name)
    order = [int(x) for x in rng.permutation(list(boxes))][:int(rng.integers(0, len(boxes) + 1))]
    return clip(boxes, order, CONFIG.pb_words)


def soak(queries: int = 10_000, seed: int = 2026, say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Serve random images with random SubNets; every answer is compared with the golden model's.

    One query of 20 is preceded by a change of the cache, one of 100 meets memory that answers with an error or not at
    all, one of 250 is interrupted by a reset.  After each of those the same query is asked again.
    """
    network = toy_network()
    compiled = compile_network(network, CONFIG)
    rng = np.random.default_rng(seed)
    names = [s.info.name for s in network.subnets]
    events: Counter[str] = Counter()
    wrong, first_cycles, drift = 0, dict[tuple[str, tuple[Any, ...]], int](), 0
    began, cycles_before = time.monotonic(), 0
    with RtlDevice(CONFIG, get_memory("ddr3_z2"), seed=seed) as device, Engine(device, compiled) as rtl, \
            Engine(GoldenDevice(CONFIG), compiled) as golden:
        rtl.driver.timeout_cycles = 5000
        rtl.driver.set_register("TIMEOUT", 5000)
        images = rng.integers(0, 256, (64, *compiled.images[names[0]]), dtype=np.uint8)
        known = {(n, k): golden.infer(n, image).logits for n in names for k, image in enumerate(images)}
        rss: list[int] = []

        def again() -> None:
            device.memory.heal()
            rtl.driver.reset()
            rtl._resident, rtl._filling = {}, False
            rtl.driver.set_register("TIMEOUT", 5000)

        for n in range(queries):
            name, k = names[int(rng.integers(len(names)))], int(rng.integers(len(images)))
            if rng.random() < 0.05:
                events["cache changes"] += 1
                rtl.cache(_boxes(compiled, name, rng), wait=bool(rng.random() < 0.5))
            if rng.random() < 0.01:
                kind: Literal["silent", "error"] = "silent" if rng.random() < 0.3 else "error"
                first, length = compiled.program(name)
                at = int(rng.choice([first + int(rng.integers(2 * length)), int(rng.integers(compiled.weight_words)),
                                     compiled.input_offset]))
                device.memory.inject(rtl.driver.base + WORD * at, WORD, kind)
                events[f"memory: {kind}"] += 1
                try:
                    rtl.infer(name, images[k])
                except DeviceError:
                    events["recovered"] += 1
                    again()
                else:
                    events["not met"] += 1               # nothing was read there
                    if rtl._filling:
                        try:
                            rtl.wait_cache()
                        except DeviceError:
                            again()
                device.memory.heal()
            if rng.random() < 0.004:
                events["resets"] += 1
                rtl.driver.set_register("PROGRAM_OFFSET", compiled.program(name)[0])
                rtl.driver.set_register("PROGRAM_LENGTH", compiled.program(name)[1])
                rtl.driver.set_register("CONTROL", 1)
                device.step(int(rng.integers(1, 3000)))
                again()
            got = rtl.infer(name, images[k])
            wrong += not np.array_equal(got.logits, known[name, k])
            key = name, tuple(sorted(rtl.cached.items())) if not rtl._filling else ("filling", n)
            drift += first_cycles.setdefault(key, got.counters.cycles) != got.counters.cycles and key[1] == ()
            if n % 1000 == 999:
                rss.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
                say(f"{n + 1} queries, {wrong} wrong, {dict(events)}, {rss[-1] // 1024} MiB")
        cycles = device.cycles
    grown = (rss[-1] - rss[len(rss) // 2]) / 1024 if len(rss) > 1 else 0.0
    return {"queries": queries, "seed": seed, "configuration": CONFIG.name, "wrong": wrong, "events": dict(events),
            "cycles": cycles - cycles_before, "seconds": round(time.monotonic() - began, 1),
            "queries_with_other_cycles": drift, "memory_growth_mib": round(grown, 1)}
