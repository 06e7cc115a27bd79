"""Measures the network service and writes docs/results/service_*.json: `scripts/bench_service.py [RUN...]`.

saturation: `nigiri serve` on one core, 64 clients of `nigiri load` on the other.  faults: four devices, one more dead
every 12 s.  power: the Azure-shaped load with the clock fixed, and governed.  ray: 1, 2 and 4 boards on Ray Serve, and
where queries go.  cluster: the same question in simulation.
"""
from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from bench import NIGIRI
from results import FOLDER

from nigiri import bundle, traffic
from nigiri.runtime.errors import DeviceError
from nigiri.serving.backend import Golden, ModelBackend
from nigiri.serving.build import Tables, get_policy
from nigiri.serving.dispatcher import Dispatcher
from nigiri.serving.errors import ServingError
from nigiri.serving.governor import Controller, Governor
from nigiri.serving.observer import Observers
from nigiri.serving.replica import Replica
from nigiri.serving.request import Targets
from nigiri.spec import get_config

SEED = 2026
CLOCK_MHZ = 20.0
"""Of the devices of `faults` and `power`: slow enough for a Python client to load four of them in real time."""
STATIC_SHARES = {"fabric": 0.1, "board": 0.5}
"""Assumed shares, at full clock, of power that does not depend on the clock: of the programmable logic alone, and of a
small board with its processors and memory.  No board was measured."""


def core(n: int, *command: object, **kwargs: Any) -> subprocess.Popen[str]:
    cores = sorted(os.sched_getaffinity(0))
    chosen = cores[n % len(cores)]
    return subprocess.Popen([str(x) for x in command], text=True, preexec_fn=lambda: os.sched_setaffinity(0, {chosen}),
                            **kwargs)


def saturation(clients: int = 64, seconds: float = 20.0) -> dict[str, Any]:
    """The server warms up first: the golden model computes each image once."""
    server = core(0, NIGIRI, "serve", "--device", "4xmodel:zcu104", "--port", 0, "--grpc-port", -1,
                  stderr=subprocess.PIPE)
    assert server.stderr
    url = next(line.split()[1] for line in server.stderr if line.startswith("ready:"))
    try:
        for length in (30.0, seconds):
            load = core(1, NIGIRI, "load", url, "--clients", clients, "--seconds", length, "--json",
                        stdout=subprocess.PIPE)
            text = load.communicate()[0]
    finally:
        server.terminate()
        server.communicate()
    return json.loads(text) | {"clients": clients, "device": "4xmodel:zcu104", "cores_of_the_server": 1}


class Mortal:
    """Opens a device until it is killed."""

    def __init__(self, golden: Golden, table: Any) -> None:
        self.golden, self.table, self.dead = golden, table, False

    def __call__(self) -> ModelBackend:
        if self.dead:
            raise DeviceError("the device is gone")
        mortal = self

        class Backend(ModelBackend):
            def run(self, row: int, images: Any, wait: bool) -> Any:
                launched = super().run(row, images, wait)
                if mortal.dead:
                    raise DeviceError("the device is gone")
                return launched
        return Backend(self.golden, self.table, CLOCK_MHZ)


async def stream(d: Dispatcher, images: np.ndarray, arrivals: np.ndarray, deadline_ms: float,
                 golden: Golden) -> list[dict[str, Any]]:
    """Every query: when it came, and its answer or refusal."""
    start, rows, tasks = time.monotonic(), [], []

    async def one(n: int, at: float) -> None:
        image = images[n % len(images)]
        row: dict[str, Any] = {"at": at}
        rows.append(row)
        try:
            a = (await d.submit([image], Targets(deadline_ms=deadline_ms)))[0]
        except ServingError as error:
            row["refused"] = type(error).__name__
            return
        right = np.array_equal(a.logits, golden.logits(a.subnet, [image])[0])
        row |= {"right": bool(right), "accuracy": a.accuracy, "late": a.total_ms > deadline_ms, "tries": a.tries,
                "energy_mj": a.energy_mj, "device": a.device}
    for n, at in enumerate(arrivals.tolist()):
        if (wait := start + at - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(one(n, at)))
    await asyncio.gather(*tasks)
    return rows


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    good = [r for r in rows if "accuracy" in r]
    refused = [r["refused"] for r in rows if "refused" in r]
    return {"queries": len(rows), "attainment": sum(not r["late"] for r in good) / len(rows),
            "accuracy": float(np.mean([r["accuracy"] for r in good])), "wrong": sum(not r["right"] for r in good),
            "lost": len(rows) - len(good) - len(refused),
            "refused": {k: refused.count(k) for k in sorted(set(refused))},
            "retried": sum(r["tries"] > 0 for r in good)}


def prepare(batches: tuple[int, ...] = (1,)) -> tuple[Golden, Any, np.ndarray]:
    loaded, images = bundle.load(bundle.demo_path()), bundle.demo_images()[0][:64]
    table, golden = Tables(loaded, 8, batches, print).of(get_config("pynq_z2"))[1], Golden(loaded)
    for s in table.subnets:
        golden.logits(s.name, images)
    return golden, table, images


def faults(seconds: float = 60.0, every: float = 12.0, rate: float = 300.0,
           deadline_ms: float = 60.0) -> dict[str, Any]:
    golden, table, images = prepare()
    switches = [Mortal(golden, table) for _ in range(4)]
    devices = [Replica(f"d{n}", s, get_policy("drainfit", 4)(), hang_s=1.0) for n, s in enumerate(switches)]
    arrivals = traffic.gamma(rate, 2.0, seconds, SEED)

    async def main() -> list[dict[str, Any]]:
        d = Dispatcher(devices)
        await d.start()

        async def killer() -> None:
            for s in switches[:3]:
                await asyncio.sleep(every)
                s.dead = True
        task = asyncio.create_task(killer())
        rows = await stream(d, images, arrivals, deadline_ms, golden)
        task.cancel()
        await d.close()
        return rows
    rows = asyncio.run(main())
    parts = [[r for r in rows if every * n <= r["at"] < (every * (n + 1) if n < 3 else seconds)] for n in range(4)]
    return summary(rows) | {"seed": SEED, "shape": "gamma, CV^2 2",
                            "devices": 4, "clock_mhz": CLOCK_MHZ, "rate": rate, "killed_every_s": every,
                            "deadline_ms": deadline_ms, "by_devices_alive": [
                                {"alive": 4 - n} | summary(p) for n, p in enumerate(parts)]}


def power(seconds: float = 60.0, rate: float = 60.0, deadline_ms: float = 60.0) -> dict[str, Any]:
    """Energy of the clock-dependent part is proportional to clock x time, whether or not anything runs (the clock
    tree and idle pipelines toggle); of the rest to time; that of bytes and MACs is by the named constants."""
    golden, table, images = prepare()
    arrivals = traffic.azure_shape(seconds, rate, peak=1.37, seed=SEED)
    out: dict[str, Any] = {"seed": SEED, "rate": rate, "deadline_ms": deadline_ms, "static_shares": STATIC_SHARES}
    for name in ("fixed", "governed"):
        devices = [Replica(f"d{n}", Mortal(golden, table), get_policy("clipper:s4")()) for n in range(2)]
        governor = Governor(Controller(down=0.05, least=0.2), interval_s=0.5)
        spent = [0.0, 0.0]

        async def main(devices=devices, governor=governor, spent=spent, governed=name == "governed") -> Any:
            d = Dispatcher(devices, observer=Observers(governor))
            await d.start()

            async def meter() -> None:
                last = time.monotonic()
                while True:
                    await asyncio.sleep(0.05)
                    now = time.monotonic()
                    for r in devices:
                        if r.backend is not None:
                            spent[0] += (now - last) * r.backend.clock_mhz / r.backend.top_mhz
                        spent[1] += now - last
                    last = now
            tasks = [asyncio.create_task(meter())]
            if governed:
                tasks.append(asyncio.create_task(governor.run(d)))
            rows = await stream(d, images, arrivals, deadline_ms, golden)
            for t in tasks:
                t.cancel()
            await d.close()
            return rows
        rows = asyncio.run(main())
        clock = spent[0] / spent[1]
        out[name] = summary(rows) | {"mean_clock": round(clock, 4), "relative_power": {
            k: round(share + (1 - share) * clock, 4) for k, share in STATIC_SHARES.items()}}
    out["energy_saved"] = {k: round(out["fixed"]["relative_power"][k] / out["governed"]["relative_power"][k], 3)
                           for k in STATIC_SHARES}
    return out


def _load(url: str, *options: object) -> dict[str, Any]:
    done = subprocess.run([str(NIGIRI), "load", url, *map(str, options), "--json"], check=True, text=True,
                          stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def ray(clock: float = 1.0, seconds: float = 20.0, share: float = 0.6, deadline_ms: float = 600.0) -> dict[str, Any]:
    """Throughput: closed load of eight clients a board.  Attainment: gamma arrivals at `share` of that throughput.
    Routers: four boards with different SubGraphs; accuracy targets at random.

    The devices are slow, so that Ray and the client are not what is measured: all run on this machine."""
    targets = [x for a in (87, 89, 90.5, 91.5) for x in ("--accuracy", a)]
    out: dict[str, Any] = {"clock_mhz": clock, "deadline_ms": deadline_ms, "seed": SEED, "boards": [], "routers": []}
    port = 8200

    def serving(boards: int, router: str, policy: str) -> Any:
        nonlocal port
        port += 1
        server = subprocess.Popen([str(NIGIRI), "serve-ray", "--device", f"{boards}xmodel:pynq_z2", "--clock",
                                   str(clock), "--router", router, "--policy", policy, "--port", str(port)],
                                  stderr=subprocess.PIPE, text=True)
        assert server.stderr
        for line in server.stderr:
            if line.startswith("ready:"):
                return server, line.split()[1]
        raise RuntimeError("Ray Serve did not start")
    for boards in (1, 2, 4):
        server, url = serving(boards, "locality", "cluster")
        try:
            _load(url, "--clients", 4, "--seconds", 5, *targets)
            full = _load(url, "--clients", 8 * boards, "--seconds", seconds, "--seed", SEED, *targets)
            rate = share * full["requests_per_s"]
            part = _load(url, "--rate", rate, "--shape", "poisson", "--seconds", seconds, "--seed", SEED, "--deadline",
                         deadline_ms, "--check", *targets)
        finally:
            server.terminate()
            server.communicate()
        out["boards"].append({"boards": boards, "requests_per_s": full["requests_per_s"], "open_rate": round(rate, 1),
                              **{k: part[k] for k in ("sent", "attainment", "lost", "wrong", "refused", "overhead_ms",
                                                      "server_ms", "device_ms", "cache_hit_ratio")}})
        print(out["boards"][-1], file=sys.stderr)
    for policy in ("cluster", "sushi"):
        for router in ("round-robin", "locality"):
            server, url = serving(4, router, policy)
            try:
                _load(url, "--clients", 4, "--seconds", 5, *targets)
                part = _load(url, "--rate", out["boards"][-1]["open_rate"] / 2, "--shape", "poisson", "--seconds",
                             seconds, "--seed", SEED, "--check", *targets)
            finally:
                server.terminate()
                server.communicate()
            out["routers"].append({"policy": policy, "router": router, **{k: part[k] for k in (
                "sent", "lost", "wrong", "cache_hit_ratio", "device_ms", "server_ms", "dram_bytes_per_query",
                "cache_bytes_per_query")}})
            print(out["routers"][-1], file=sys.stderr)
    return out


def cluster() -> dict[str, Any]:
    done = subprocess.run([str(NIGIRI), "bench", "cluster", "--seed", str(SEED), "--json"], check=True, text=True,
                          stdout=subprocess.PIPE)
    return json.loads(done.stdout)


RUNS = {"saturation": saturation, "faults": faults, "power": power, "ray": ray, "cluster": cluster}

if __name__ == "__main__":
    for run in sys.argv[1:] or RUNS:
        got = RUNS[run]()
        (FOLDER / f"service_{run}.json").write_text(json.dumps(got, indent=2) + "\n")
        print(json.dumps(got, indent=2))
