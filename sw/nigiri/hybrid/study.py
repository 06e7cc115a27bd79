"""The study behind the documentation: training schemes compared, fronts with and without attention, what runs where."""
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from nigiri.compiler.graph import SubNet
from nigiri.hybrid.estimate import Estimator
from nigiri.hybrid.integer import hybrid_network
from nigiri.hybrid.predictor import AccuracyModel, config_of, fit
from nigiri.hybrid.run import Golden
from nigiri.hybrid.search import Found, evolve
from nigiri.hybrid.space import HYBRID, HybridConfig
from nigiri.search.front import front

__all__ = ["at_equal_latency", "chosen", "fronts", "layer_norm_ms", "mapping_table", "measure_chosen", "schemes"]

Say = Callable[[str], None]


def schemes(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Joint against two-phase training: mean test accuracy (float) by seed and by what SubNets have."""
    def group(row: dict[str, Any]) -> str:
        return row["norm"] if any(row["kinds"]) else "convolution"

    out: dict[str, Any] = {"steps": sorted({r["steps"] for r in runs}), "runs": []}
    for r in runs:
        groups: dict[str, list[float]] = {}
        for row in r["subnets"]:
            groups.setdefault(group(row), []).append(row["test"])
        out["runs"].append({"scheme": r["scheme"], "seed": r["recipe"]["seed"],
                            **{k: round(float(np.mean(v)), 2) for k, v in sorted(groups.items())},
                            "smallest": r["subnets"][0]["test"], "largest": r["subnets"][1]["test"],
                            "all": round(float(np.mean([x["test"] for x in r["subnets"]])), 2)})
    pairs = []
    for seed in sorted({r["recipe"]["seed"] for r in runs}):
        joint, two = (next(r for r in runs if r["recipe"]["seed"] == seed and r["scheme"] == s)["subnets"]
                      for s in ("joint", "two-phase"))
        pairs += [(group(a), b["test"] - a["test"]) for a, b in zip(joint, two, strict=True)]
    out["gain"] = {k: {"points": round(float(np.mean([d for g, d in pairs if k in (g, "all")])), 2),
                       "better": sum(d > 0 for g, d in pairs if k in (g, "all")),
                       "of": sum(k in (g, "all") for g, _ in pairs)}
                   for k in ("convolution", "relu", "softmax")}
    every = [d for _, d in pairs]
    out["gain"]["all"] = {"points": round(float(np.mean(every)), 2), "better": sum(d > 0 for d in every),
                          "of": len(every)}
    return out


def fronts(run: dict[str, Any], estimator: Estimator, evaluations: int, seed: int, say: Say
           ) -> tuple[AccuracyModel, dict[str, list[Found]]]:
    """Fronts of the whole space and of its part without attention, by predicted accuracy."""
    model = fit(HYBRID, [config_of(r) for r in run["subnets"]], [r["held"] for r in run["subnets"]])
    out = {}
    for name, space in (("convolution", HYBRID.without_attention()), ("hybrid", HYBRID)):
        out[name] = evolve(space, model, estimator, evaluations=evaluations, seed=seed)
        say(f"{name}: {len(out[name])} SubNets on the front, {out[name][0].mapped.ms:.3f} to "
            f"{out[name][-1].mapped.ms:.3f} ms")
    return model, out


def chosen(found: Sequence[Found], count: int) -> list[Found]:
    """`count` SubNets of a front, evenly in the logarithm of their latency."""
    logs = np.log([x.mapped.ms for x in found])
    picks = {int(np.abs(logs - t).argmin()) for t in np.linspace(logs[0], logs[-1], count)}
    return [found[n] for n in sorted(picks)]


def measure_chosen(net: Any, picks: dict[str, Found], calibration: Any, images: np.ndarray, labels: np.ndarray,
                   estimator: Estimator, say: Say) -> list[dict[str, Any]]:
    """int8 accuracy on `images` and latency of the compiled SubNet, for every pick."""
    out = []
    for name, x in picks.items():
        began = time.time()
        network, subnets = hybrid_network(net, {name: x.config}, calibration)
        accuracy = Golden(network, subnets[name].parts).accuracy(images, labels)
        array = sum(estimator.measured(network, subnets[name].parts).values())
        link, programs = estimator.link, [p for p in subnets[name].parts if isinstance(p, SubNet)]
        on_array = (o for o in estimator.operators(x.config) if o.name not in x.mapped.host)
        host = x.mapped.ms - sum(o.array_ms or 0.0 for o in on_array)
        out.append({"name": name, **asdict(x.config), "predicted": round(x.accuracy, 2), "int8": round(accuracy, 2),
                    "ms_estimated": round(x.mapped.ms, 4), "ms": round(array + host, 4), "ms_array": round(array, 4),
                    "launches": len(programs), "launch_ms": link.launch_ms, "host": list(x.mapped.host),
                    "macs": HYBRID.cost(x.config)[0]})
        say(f"{name}: {out[-1]['int8']:.2f} % at {out[-1]['ms']:.3f} ms ({time.time() - began:.0f} s)")
    return out


def at_equal_latency(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For every hybrid SubNet with attention: the best one without it that is no slower, and the straight line between
    measured ones without it at the same latency, with the differences."""
    plain = [r for r in rows if not any(r["kinds"])]
    line = best_front(plain)
    out = []
    for r in rows:
        rivals = [p["int8"] for p in plain if p["ms"] <= r["ms"] * 1.005]
        if any(r["kinds"]) and rivals:
            out.append({"name": r["name"], "ms": r["ms"], "int8": r["int8"], "convolution": max(rivals),
                        "gain": round(r["int8"] - max(rivals), 2)})
            between = float(np.interp(r["ms"], [p["ms"] for p in line], [p["int8"] for p in line]))
            out[-1] |= {"line": round(between, 2), "gain_line": round(r["int8"] - between, 2)}
    return out


def layer_norm_ms(tokens: int, channels: int, repeat: int = 200) -> float:
    """Median time of layer norm over int8 tokens on this host, ms: what batch norm in the requantisation saves."""
    x = np.random.default_rng(0).integers(-128, 128, (tokens, channels), dtype=np.int8)
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        f = x.astype(np.float32)
        f -= f.mean(1, keepdims=True)
        f /= np.sqrt((f * f).mean(1, keepdims=True) + 1e-5)
        np.clip(np.rint(f * 40), -128, 127).astype(np.int8)
        times.append(time.perf_counter() - began)
    return 1e3 * float(np.median(times))


def mapping_table(estimator: Estimator, config: HybridConfig) -> list[dict[str, Any]]:
    """One SubNet with relu on the array and with softmax on the host, and with everything on one side."""
    from nigiri.hybrid.mapping import best_mapping

    rows = []
    for norm in ("relu", "softmax"):
        c = replace(config, norm=norm)
        operators, sizes = estimator.operators(c), estimator.bytes_of(c)
        best = best_mapping(operators, sizes, estimator.link)
        host = best_mapping(operators, sizes, estimator.link, {o.name: True for o in operators})
        rows.append({"norm": norm, "ms": round(best.ms, 4), "launches": best.launches, "host": list(best.host),
                     "ms_all_on_host": round(host.ms, 3),
                     "softmax_ms": round(sum(o.host_ms for o in operators if o.kind == "softmax"), 4)})
    return rows


def best_front(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows that no other beats in latency and measured accuracy."""
    return [rows[n] for n in front(np.array([(r["ms"], r["int8"]) for r in rows]))]
