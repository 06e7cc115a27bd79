"""How a message gets to the server and an answer back: HTTP, and a link slowed down on purpose."""
from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

from nigiri.runtime.errors import BadArgument, NigiriError
from nigiri.split.wire import LIMIT, BadMessage, WrongNetwork

__all__ = ["PATH", "HttpLink", "Link", "LinkDown", "Throttled"]

PATH = "/v1/split"
PING_S = 1.0
"""A ping waits no longer."""
REFUSED = {400: BadMessage, 409: WrongNetwork}
"""Status: what the server says of a message."""


class LinkDown(NigiriError):
    """The server does not answer, or cannot."""


class Link(Protocol):
    """Both raise LinkDown when there is no answer."""

    def send(self, raw: bytes) -> bytes:
        """Sends a message and waits for the answer; BadMessage when the server refuses it."""
        ...

    def ping(self) -> None:
        """An exchange with next to no bytes."""
        ...


class HttpLink:
    """To `nigiri split serve` at `url`; TLS with https.  One connection, opened again when it is lost.

    Parameters
    ----------
    timeout_s: for an answer.  token: what the server wants to see, if anything.
    """

    def __init__(self, url: str, timeout_s: float = 10.0, token: str | None = None):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadArgument(f"{url!r} is no address of a server, such as http://127.0.0.1:8001")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._open = lambda: kind(parts.hostname or "", parts.port, timeout=timeout_s)
        self.url, self.timeout_s = f"{parts.scheme}://{parts.netloc}", timeout_s
        self._headers = {"Content-Type": "application/octet-stream"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._connection: http.client.HTTPConnection | None = None

    def send(self, raw: bytes) -> bytes:
        return self._ask("POST", raw, self.timeout_s)

    def ping(self) -> None:
        self._ask("GET", None, min(PING_S, self.timeout_s))

    def facts(self) -> dict[str, Any]:
        """What the server says of itself: network, digest, limit."""
        try:
            found: dict[str, Any] = json.loads(self._ask("GET", None, self.timeout_s))
        except ValueError as e:
            raise LinkDown(f"{self.url} is no server of a split network") from e
        return found

    def close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None

    def _ask(self, method: str, raw: bytes | None, timeout_s: float) -> bytes:
        """One exchange; a connection that the server has closed meanwhile is opened again."""
        while True:
            kept, connection = self._connection is not None, self._connection or self._open()
            connection.timeout = timeout_s
            if connection.sock:
                connection.sock.settimeout(timeout_s)
            self._connection = connection
            try:
                connection.request(method, PATH, raw, self._headers)
                response = connection.getresponse()
                got = response.read(LIMIT + 1)
            except (OSError, http.client.HTTPException) as e:
                self.close()
                if kept and not isinstance(e, TimeoutError):
                    continue
                raise LinkDown(f"the server at {self.url} does not answer: {e or type(e).__name__}") from e
            if not response.isclosed():
                self.close()
            if response.status != 200:
                text = got[:2000].decode(errors="replace")
                raise REFUSED.get(response.status, LinkDown)(
                    text if response.status in REFUSED else
                    f"the server at {self.url} answers {response.status}: {text}")
            return got


class Throttled:
    """A link as slow as `mbit_s` says at each moment; 0 is no connection.  For tests and demonstrations.

    A bucket of tokens, one a byte: it fills at that rate up to `burst`, and a message waits until its bytes are there.
    """

    def __init__(self, link: Link, mbit_s: Callable[[], float], sleep: Callable[[float], None] = time.sleep,
                 clock: Callable[[], float] = time.monotonic, burst: int = 0):
        self.link, self.mbit_s, self.sleep, self.clock, self.burst = link, mbit_s, sleep, clock, burst
        self._level, self._at = float(burst), clock()

    def send(self, raw: bytes) -> bytes:
        self._wait(len(raw))
        return self.link.send(raw)

    def ping(self) -> None:
        self._wait(0)
        self.link.ping()

    def _wait(self, nbytes: int) -> None:
        rate = 125e3 * self.mbit_s()                # bytes a second
        if rate <= 0:
            raise LinkDown("there is no connection")
        now = self.clock()
        self._level = min(self.burst, self._level + rate * (now - self._at)) - nbytes
        self._at = now
        if self._level < 0:
            self.sleep(-self._level / rate)
