"""Two boards on Ray Serve; one board's process is killed under load."""
from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nigiri.serving.client import Client
from nigiri.serving.load import closed_load

pytest.importorskip("ray")
NIGIRI = Path(sys.executable).parent / "nigiri"


def _free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _processes(name):
    """Those whose command line begins so: Ray renames its workers."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().replace(b"\0", b" ").startswith(name.encode()):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def url():
    port = _free_port()
    server = subprocess.Popen([str(NIGIRI), "serve-ray", "--device", "2xmodel:pynq_z2", "--clock", "20", "--port",
                               str(port)], stderr=subprocess.PIPE, text=True)
    try:
        lines = []
        for line in server.stderr:
            lines.append(line)
            if line.startswith("ready:"):
                break
        else:
            pytest.fail("".join(lines))
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    assert server.returncode == 0


def test_answers_are_the_golden_models_and_a_killed_board_loses_nothing(url, images, golden):
    def expected(subnet, n):
        return golden.logits(subnet, [images[n]])[0]

    async def main():
        async with Client(url) as c:
            before = await closed_load(c, images, clients=4, seconds=4, expected=expected,
                                       targets=lambda n: {"accuracy": 90.0 if n % 2 else 0.0})
            load = asyncio.create_task(closed_load(c, images, clients=4, seconds=15, expected=expected))
            await asyncio.sleep(3)
            victims = _processes("ray::Board")
            os.kill(victims[0], signal.SIGKILL)
            during = await load
            return before, during, victims
    before, during, victims = asyncio.run(main())
    assert len(victims) == 2
    for report in (before, during):
        assert report.sent == report.answered > 50 and report.wrong == 0 and not report.refused
    assert len(before.subnets) >= 2 and len(before.devices) == 2
    assert during.retries >= 1
    end = time.monotonic() + 60
    while len(_processes("ray::Board")) < 2:                 # Ray starts it again
        assert time.monotonic() < end
        time.sleep(0.5)


def test_metrics_and_live_page_come_through(url):
    import urllib.request

    with urllib.request.urlopen(f"{url}/metrics") as answer:
        text = answer.read().decode()
    assert re.search(r'nigiri_\w+{.*device="model:pynq_z2#1"', text)
    with urllib.request.urlopen(f"{url}/nigiri/events") as events:        # a stream comes piece by piece
        assert events.readline().startswith(b"data: {")


def test_needs_a_token_beyond_loopback():
    done = subprocess.run([str(NIGIRI), "serve-ray", "--host", "0.0.0.0"], capture_output=True, text=True,
                          env={k: v for k, v in os.environ.items() if k != "NIGIRI_TOKEN"})
    assert done.returncode == 2 and done.stderr.strip() == (
        "nigiri: the service would be open to everybody on 0.0.0.0: set NIGIRI_TOKEN, or listen on 127.0.0.1")
