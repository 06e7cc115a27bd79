"""The live page in a real browser (Chromium without a screen), beside a server under load.

NIGIRI_SCREENSHOT=docs/img/live.png keeps the picture that the documentation shows.
"""
from __future__ import annotations

import asyncio
import os
import shutil
import threading
from contextlib import contextmanager

import pytest

from nigiri.runtime.errors import DeviceError
from nigiri.serving.build import Options
from nigiri.serving.client import Client
from nigiri.serving.http import Guard
from nigiri.serving.load import closed_load
from nigiri.serving.server import Settings

from .running import server

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run", "--disable-quic"]
TOKEN = "a token of some length"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as p:
        found = p.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield found
        found.close()


def until(page, condition, seconds=30):
    """The page's rules forbid the evaluation of text, which Playwright's own waiting does."""
    for _ in range(20 * seconds):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError(page.content())


@contextmanager
def load(url, images, token=None):
    """Sixteen clients with different targets until the block ends."""
    stop = threading.Event()

    async def main():
        async with Client(url, token=token) as c:
            while not stop.is_set():
                await closed_load(c, images, clients=16, seconds=0.3,
                                  targets=lambda n: {"accuracy": (0.0, 89.0, 90.5, 91.5)[n // 64 % 4],
                                                     "deadline_ms": 500.0})
    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)


def test_page_shows_what_the_server_does(loaded, images, browser):
    options = Options(devices=("4xmodel:pynq_z2",), policy="cluster", clock_mhz=20.0, subgraphs=8)
    with server(loaded, options, Settings(port=0, grpc_port=None)) as running:
        url = f"http://127.0.0.1:{running.port}"
        page = browser.new_page(viewport={"width": 1240, "height": 900})
        problems = []
        page.on("pageerror", lambda e: problems.append(str(e)))
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        page.goto(url)
        assert page.title() == "Nigiri: live"
        with load(url, images):
            until(page, lambda: page.locator("#net rect.hit").count() > 5)

            def tile(name):
                return page.locator(f".tile[data-name='{name}'] b").inner_text()

            def served():
                return [int(x.inner_text()) for x in page.locator("#devices td:nth-child(3)").all()]
            table = running.service.dispatcher.replicas[0].table
            assert page.locator("#net rect.whole").count() == len(table.layers)
            assert page.locator("#net rect.cached").count() == len(
                table.subgraphs[running.service.dispatcher.replicas[0].column].boxes)
            assert page.locator("#devices tr").count() == 5 and len(served()) == 4
            before = sum(served())
            until(page, lambda: sum(served()) > before + 50)
            assert tile("attainment").endswith(" %") and float(tile("images/s")) > 0
            assert float(tile("accuracy").split()[0]) >= float(tile("asked for").split()[0])
            # The other device's cache is drawn when it is chosen.
            columns = [r.column for r in running.service.dispatcher.replicas]
            other = next((n for n, c in enumerate(columns) if c != columns[0]), 0)
            page.select_option("#which", str(other))
            until(page, lambda: page.locator("#net rect.cached").count() == len(table.subgraphs[columns[other]].boxes))
            if os.environ.get("NIGIRI_SCREENSHOT"):
                page.wait_for_timeout(6000)
                page.screenshot(path=os.environ["NIGIRI_SCREENSHOT"], full_page=True)
            # A device goes: the page says so, and what it says is text.
            dispatcher = running.service.dispatcher

            def gone():
                raise DeviceError("unplugged <script>document.title = 'taken over'</script>")
            replica = dispatcher.replicas[2]
            good, replica.factory = replica.factory, gone
            running.loop.call_soon_threadsafe(dispatcher._out, replica, "unplugged")
            until(page, lambda: "<script>" in "".join(page.locator("#devices tr.down").all_inner_texts()))
            assert page.title() == "Nigiri: live"
            replica.factory = good
            page.wait_for_selector("#devices tr.down", state="detached", timeout=20_000)
        assert problems == []
        page.close()


def test_page_asks_for_the_token_once(loaded, browser):
    options = Options(devices=("model:pynq_z2",), subgraphs=2)
    with server(loaded, options, Settings(port=0, grpc_port=None, guard=Guard(token=TOKEN))) as running:
        url = f"http://127.0.0.1:{running.port}/"
        context = browser.new_context()
        page = context.new_page()
        assert page.goto(url).status == 401
        assert page.goto(f"{url}?token=wrong").status == 401
        assert page.goto(f"{url}?token={TOKEN}").status == 200
        page.wait_for_selector(".tile[data-name='queue']")
        assert page.goto(url).status == 200
        assert page.evaluate("document.cookie") == ""                    # scripts cannot read it
        context.close()
