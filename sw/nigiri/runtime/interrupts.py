"""One event loop, in a thread of its own, in which all interrupts of PYNQ are awaited.

PYNQ delivers an interrupt to the event loop that was current when its IP was first touched.  Awaited in any other loop
(a second asyncio.run, another thread, a notebook that was restarted) it never comes.  Here there is one loop, for ever.
"""
from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any, TypeVar

__all__ = ["LoopThread", "loop_thread"]

T = TypeVar("T")


class LoopThread:
    """An event loop in a daemon thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="nigiri interrupts", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def call(self, function: Callable[[], T]) -> T:
        """`function()`, executed in the loop's thread."""
        if threading.current_thread() is self._thread:
            return function()

        async def body() -> T:
            return function()
        return self.run(body())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of `coroutine`, which runs in the loop; the calling thread waits, and may be interrupted."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


@cache
def loop_thread() -> LoopThread:
    """The process's one."""
    return LoopThread()
