"""HybridServe's cascade over the SubNets of the CIFAR SuperNet: energy at equal accuracy, on real logits."""
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nigiri import bundle
from nigiri.cascade import (
    Cascade,
    Device,
    Model,
    PlattBinning,
    Standard,
    balance,
    confidence,
    ensemble,
    evaluate,
    expected_calibration_error,
    pareto,
    search,
    temperature,
)
from nigiri.cascade.energy import SubNetEnergy, subnet_energies
from nigiri.reproduce.machines import machine_at
from nigiri.reproduce.published import HYBRIDSERVE
from nigiri.reproduce.workloads import data
from nigiri.runtime.errors import BadArgument
from nigiri.sched.workload import workload
from nigiri.spec.memory import default_memory

__all__ = ["Request", "hybridserve", "logits"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to run.

    seed: of the split into halves; further_seeds: other splits, for the spread.  tolerance: points of accuracy that the
    cascade may lose against the largest SubNet.  sigmas: standard errors of that difference by which it must lose less
    where it is chosen, as half of the images know it to some tenths of a point only.  alpha: weight of a model's own
    logits, the rest is that of the cascade's first model.  sizes: SubNets in a cascade.
    """

    machine: str = "pynq_z2"
    seed: int = 2026
    further_seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    tolerance: float = 0.2
    sigmas: float = 2.0
    alpha: float = 0.75
    calibration: str = "platt"
    skip: bool = True
    sizes: tuple[int, ...] = (2, 3)
    devices: int = 4

    def __post_init__(self) -> None:
        if self.calibration not in ("platt", "temperature"):
            raise BadArgument(f"calibration must be platt or temperature, not {self.calibration!r}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Half:
    """Confidences and right answers behind each first model, [SubNets, SubNets, images]."""

    confidence: np.ndarray
    correct: np.ndarray

    def alone(self, model: int) -> np.ndarray:
        """Answers of a model without a cascade."""
        out: np.ndarray = self.correct[model, model]
        return out


def logits() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """(int8 [SubNets, 10000, 10], labels, names) of the shipped SuperNet over all test images, shuffled."""
    with np.load(data("cifar_logits.npz"), allow_pickle=False) as z:
        return z["logits"], z["labels"].astype(np.int64), [s["name"] for s in json.loads(str(z["facts"]))["subnets"]]


def _split(codes: np.ndarray, labels: np.ndarray, seed: int, r: Request) -> tuple[Half, Half, list[float]]:
    """(half to choose on, half to measure on, calibration error of each SubNet on the latter)."""
    order = np.random.default_rng(seed).permutation(len(labels))
    first, second = order[:len(order) // 2], order[len(order) // 2:]
    # Codes have another unit in every SubNet.
    units = [temperature(z[first].astype(np.float64), labels[first]) for z in codes]
    carried = ensemble(codes / np.array(units)[:, None, None], r.alpha)
    correct = carried.argmax(axis=3) == labels
    out = confidence(carried, "top" if r.calibration == "temperature" else "square")
    if r.calibration == "platt":
        for f in range(len(codes)):
            for m in range(f, len(codes)):
                out[f, m] = PlattBinning.fit(out[f, m][first], correct[f, m][first])(out[f, m])
    own = range(len(codes))
    errors = [expected_calibration_error(out[m, m][second], correct[m, m][second]) for m in own]
    return (Half(confidence=out[:, :, first], correct=correct[:, :, first]),
            Half(confidence=out[:, :, second], correct=correct[:, :, second]), errors)


def _row(x: Cascade, held: Half, test: Half, energy: np.ndarray, names: list[str], skip: bool) -> dict[str, Any]:
    o = evaluate(x, test.confidence, test.correct, energy, skip=skip)
    own = energy[list(x.models)]
    return {"models": [names[m] for m in x.models], "thresholds": list(x.thresholds),
            "chosen_accuracy": 100 * x.accuracy, "accuracy": 100 * o.accuracy,
            "against_largest": 100 * (o.accuracy - float(test.alone(-1).mean())), "reach": o.reach.tolist(),
            "energy_mj": o.energy, "times_lower": float(energy[-1] / o.energy),
            "identity_error": abs(o.energy - float(o.reach @ own)) / o.energy}


def _experiment(held: Half, test: Half, energy: np.ndarray, names: list[str], r: Request) -> dict[str, Any]:
    """Accuracy preserved, energy optimised, and the curve, chosen on one half and measured on the other.

    Optimised is as in the prototype: at least as accurate as the next smaller SubNet where it is chosen.
    """
    c, y = held.confidence, held.correct
    standard = Standard(held.alone(-1), r.tolerance / 100, r.sigmas)
    preserved, tried = search(c, y, energy, standard, sizes=r.sizes, skip=r.skip)
    optimised, more = search(c, y, energy, Standard(held.alone(-2)), sizes=r.sizes,
                             skip=r.skip)
    without, _ = search(c, y, energy, standard, sizes=r.sizes, skip=not r.skip)
    return {"preserved": _row(preserved, held, test, energy, names, r.skip),
            "optimised": _row(optimised, held, test, energy, names, r.skip),
            "preserved_other_skip": _row(without, held, test, energy, names, not r.skip),
            "curve": [_row(x, held, test, energy, names, r.skip) for x in pareto(tried + more)],
            "static": [{"model": n, "accuracy": 100 * float(test.alone(m).mean()), "energy_mj": float(energy[m])}
                       for m, n in enumerate(names)]}


def _shares(row: dict[str, Any], energies: dict[str, SubNetEnergy], clock_mhz: float, weights: dict[str, int],
            cache: int, devices: int) -> dict[str, Any]:
    """The chosen cascade on several boards, each with its own persistent buffer for what it serves."""
    models = [Model(name=n, latency_s=energies[n].cycles / (clock_mhz * 1e6), reach=max(p, 1e-6),
                    memory=min(weights[n], cache)) for n, p in zip(row["models"], row["reach"], strict=True)]
    found = balance(models, [Device(memory=cache)] * devices)
    return {"devices": devices, "queries_per_s": found.rate,
            "share": {m.name: found.share[n].tolist() for n, m in enumerate(models)},
            "largest_alone_queries_per_s": devices * clock_mhz * 1e6 / max(e.cycles for e in energies.values())}


def hybridserve(r: Request, progress: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Everything, with its conditions.

    Raises
    ------
    ConfigError, CascadeError, PlannerError: an unknown machine; nothing reaches the accuracy; nothing fits.
    """
    codes, labels, names = logits()
    loaded, config = bundle.load(bundle.demo_path()), machine_at(r.machine)
    memory = default_memory(config)
    work = workload(loaded.compiled(config), loaded.subnets, memory)
    small = next(c for c in work.candidates(16) if c.name == names[0])
    weights = {s.name: s.weight_bytes for s in loaded.subnets}
    out: dict[str, Any] = {"conditions": {
        **asdict(r), "memory": memory.name, "images": len(labels), "published": HYBRIDSERVE,
        "energy": "bytes and multiply-accumulates by the cycle model times published constants; a chip at rest, the "
                  "host and the transfer of an image are not in it",
        "cache": {"empty": "nothing cached", names[0]: f"the SubGraph of {names[0]}, which every SubNet shares, cached "
                                                       "throughout; the cascade and the SubNets alone have the same"},
        "differs": "published: models of one family but separate weights, up to 20,000 million parameters, on GPUs; "
                   "here SubNets of one SuperNet that differ four times in work, on one board"}, "caches": {}}
    splits = {seed: _split(codes, labels, seed, r) for seed in (r.seed, *r.further_seeds)}
    out["calibration_error"] = dict(zip(names, splits[r.seed][2], strict=True))
    for name, boxes in (("empty", {}), (names[0], small.boxes)):
        progress(f"cache: {name}")
        energies = subnet_energies(loaded, config, memory, boxes)
        energy = np.array([energies[n].total_mj for n in names])
        found = _experiment(*splits[r.seed][:2], energy, names, r)
        spread = []
        for seed in r.further_seeds:
            progress(f"cache: {name}, split {seed}")
            held, test, _ = splits[seed]
            standard = Standard(held.alone(-1), r.tolerance / 100, r.sigmas)
            best = search(held.confidence, held.correct, energy, standard, sizes=r.sizes, skip=r.skip)[0]
            spread.append({"seed": seed, **_row(best, held, test, energy, names, r.skip)})
        out["caches"][name] = {**found, "splits": spread,
                               "boards": _shares(found["preserved"], energies, config.clock_mhz, weights,
                                                 64 * config.pb_words, r.devices)}
    return out
