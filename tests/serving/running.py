"""A server in a thread of its own, for tests."""
from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager

from nigiri.serving.build import Options
from nigiri.serving.server import Server, Settings


@contextmanager
def server(loaded, options=None, settings=None, observers=(), prepare=lambda server: None):
    made = Server(loaded, options or Options(devices=("golden:tiny",)),
                  settings or Settings(port=0, grpc_port=0), observers=observers)
    prepare(made)
    ready, loops, failed = threading.Event(), [], []

    async def main():
        made.loop = asyncio.get_running_loop()
        loops.append(made.loop)
        await made.run(ready.set)

    def body():
        try:
            asyncio.run(main())
        except BaseException as error:
            failed.append(error)
            ready.set()
    thread = threading.Thread(target=body)
    thread.start()
    assert ready.wait(120)
    if failed:
        raise failed[0]
    try:
        yield made
    finally:
        loops[0].call_soon_threadsafe(made.stop)
        thread.join(60)
        assert not thread.is_alive() and not failed
