"""A daemon thread for blocking calls: a pool's threads would keep the process from ending while a device hangs."""
from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["Worker"]


class Worker:
    """Calls functions one after the other; each result goes to the event loop that asked."""

    def __init__(self, name: str) -> None:
        self._todo: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.stopped = False
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def call(self, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """A future of `function(*arguments)`, in the running loop."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._todo.put((loop, future, function, arguments))
        return future

    def later(self, function: Callable[[], object]) -> None:
        """Call it when all else is done; nobody waits for it."""
        self._todo.put((None, None, function, ()))

    def stop(self) -> None:
        """End the thread when all is done."""
        self.stopped = True
        self._todo.put(None)

    def _run(self) -> None:
        while (item := self._todo.get()) is not None:
            loop, future, function, arguments = item
            result, error = None, None
            try:
                result = function(*arguments)
            except BaseException as e:  # whoever awaits the future gets it
                error = e
            if loop is not None:
                try:
                    loop.call_soon_threadsafe(_resolve, future, result, error)
                except RuntimeError:
                    return            # the loop is closed: nobody waits any more


def _resolve(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
