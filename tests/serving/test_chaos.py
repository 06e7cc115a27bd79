"""A server under load whose devices fail in every way, one after the other, while its bundle is changed."""
from __future__ import annotations

import asyncio
import json

import aiohttp

from nigiri import bundle
from nigiri.serving.build import Options
from nigiri.serving.client import Client
from nigiri.serving.load import open_load
from nigiri.serving.server import Settings
from nigiri.traffic import gamma

from .faulty import Faulty
from .running import server

SEED = 11


def test_nothing_is_lost_late_without_a_word_or_wrong(loaded, images, golden, tmp_path):
    (tmp_path / "same.nigiri").write_bytes(bundle.demo_path().read_bytes())
    switches = []

    def prepare(made):
        for r in made.service.dispatcher.replicas:
            switches.append(Faulty(r.factory))
            r.factory = switches[-1]
            r.hang_s = 0.5
        for name in ("min", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "max"):
            made.service.dispatcher._golden(name, images)        # else the first launches take their time for it
    options = Options(devices=("4xmodel:pynq_z2",), policy="drainfit", clock_mhz=20.0, subgraphs=2, check=1.0)
    arrivals = gamma(120.0, 2.0, 8.0, SEED)

    async def chaos(url):
        first, second, third, fourth = switches
        await asyncio.sleep(1.0)
        first.fault = "raise"
        await asyncio.sleep(1.0)
        second.fault = "hang"
        await asyncio.sleep(1.0)
        first.fault, third.fault = None, "lie"
        await asyncio.sleep(1.0)
        second.release.set()
        second.fault, third.fault, fourth.gone = None, None, True
        await asyncio.sleep(1.0)
        fourth.gone = False
        async with aiohttp.ClientSession() as session, session.post(
                f"{url}/nigiri/reload", json={"bundle": "same.nigiri"}) as answer:
            assert answer.status == 200 and json.loads(await answer.read())["versions"] == ["2"]

    async def main(url):
        async with Client(url) as client:
            running = asyncio.create_task(chaos(url))
            report = await open_load(client, images, arrivals, targets=lambda n: {"deadline_ms": 250.0},
                                     expected=lambda subnet, n: golden.logits(subnet, [images[n]])[0])
            await running
            return report
    with server(loaded, options, Settings(port=0, grpc_port=None, bundles=tmp_path), prepare=prepare) as made:
        report = asyncio.run(main(f"http://127.0.0.1:{made.port}"))
        dispatcher = made.service.dispatcher
        assert dispatcher.pending == dispatcher.waiting == 0
    print("seed", SEED, report.summary())
    assert report.sent == len(arrivals) == report.answered + sum(report.refused.values())
    assert report.wrong == 0 and report.in_time == report.answered
    assert set(report.refused) <= {"DeadlineMissed", "Overloaded", "DeviceFault", "Unavailable"}
    assert sum(r.faults for r in dispatcher.replicas) >= 3 and report.answered > 0
    assert all(s.opened >= 2 for s in switches[:3])
