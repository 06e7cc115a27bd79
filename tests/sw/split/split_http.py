"""A server over HTTP in a thread of the test."""
import contextlib
import threading
import time

import pytest
from split_toy import NETWORK

from nigiri.split.runners import GoldenRunner
from nigiri.split.server import application

uvicorn = pytest.importorskip("uvicorn")


@contextlib.contextmanager
def serving(runner=None, port=0, network=NETWORK, **options):
    """The address of a server."""
    app = application(network, runner or GoldenRunner(network), **options)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()
    assert host == "127.0.0.1"
    try:
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
