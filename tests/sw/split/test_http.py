"""The server over HTTP: answers, refusals, tokens, and how many it lets in."""
import threading

import numpy as np
import pytest
from split_http import serving
from split_toy import COUNT, NETWORK, SUBNET, logits, message, picture

from nigiri.compiler.toy import toy_network
from nigiri.runtime.errors import BadArgument, DeviceError
from nigiri.split.link import HttpLink, LinkDown
from nigiri.split.run import run_queries
from nigiri.split.runners import GoldenRunner
from nigiri.split.wire import BadMessage, WrongNetwork, digest, pack, unpack

pytest.importorskip("starlette")


def right(raw, seed=0):
    got = unpack(NETWORK, raw)
    return got.at == COUNT and got.ms > 0 and np.array_equal(
        got.tensors[NETWORK.subnet(SUBNET).output].reshape(-1), logits(seed))


def test_answers_and_refusals():
    with serving(limit=10_000) as url:
        link = HttpLink(url)
        assert link.facts() == {"network": NETWORK.name, "digest": digest(NETWORK), "limit": 10_000}
        for at in range(COUNT):
            assert right(link.send(pack(NETWORK, message(at))))
        with pytest.raises(BadMessage, match="these bytes are no message"):
            link.send(b"hello")
        other = toy_network(3)
        foreign = pack(other, type(message())(subnet=SUBNET, at=0, tensors={"input": picture()}))
        with pytest.raises(WrongNetwork, match="both sides need the same bundle"):
            link.send(foreign)
        with pytest.raises(BadMessage, match=f"nothing is left to compute behind cut {COUNT}"):
            link.send(pack(NETWORK, message(COUNT)))
        with pytest.raises(LinkDown, match="answers 413: a message may have at most 10000 bytes"):
            link.send(bytes(20_000))
        assert right(link.send(pack(NETWORK, message(2))))
    with pytest.raises(LinkDown, match="does not answer"):
        link.send(b"hello")
    with pytest.raises(LinkDown, match="does not answer"):
        link.ping()


def test_a_connection_is_opened_again():
    with serving() as url:
        link = HttpLink(url)
        link.ping()
    with serving(port=int(url.rpartition(":")[2])):
        assert right(link.send(pack(NETWORK, message(4))))
        link.close()
        link.close()


def test_tokens():
    with serving(token="0123456789abcdef") as url:
        for link in (HttpLink(url), HttpLink(url, token="0123456789abcdeF")):
            with pytest.raises(LinkDown, match="answers 401: this server wants a token: send it as"):
                link.send(pack(NETWORK, message()))
            with pytest.raises(LinkDown, match="answers 401"):
                link.ping()
        assert right(HttpLink(url, token="0123456789abcdef").send(pack(NETWORK, message())))


class Slow(GoldenRunner):
    def __init__(self):
        super().__init__(NETWORK)
        self.inside, self.go, self.most = threading.Event(), threading.Event(), 0

    def run(self, *args):
        self.inside.set()
        self.go.wait(10)
        return super().run(*args)


def test_how_many_at_once():
    slow, got = Slow(), []
    with serving(slow, most=1) as url:
        first = threading.Thread(target=lambda: got.append(HttpLink(url).send(pack(NETWORK, message()))))
        first.start()
        slow.inside.wait(10)
        with pytest.raises(LinkDown, match="answers 503: 1 messages are in work: try again later"):
            HttpLink(url).send(pack(NETWORK, message()))
        HttpLink(url).ping()
        slow.go.set()
        first.join(10)
        assert right(got[0]) and right(HttpLink(url).send(pack(NETWORK, message())))


def test_a_server_that_is_late():
    slow = Slow()
    with serving(slow) as url:
        with pytest.raises(LinkDown, match="does not answer: timed out"):
            HttpLink(url, timeout_s=0.2).send(pack(NETWORK, message()))
        slow.go.set()


class Broken:
    def run(self, *args):
        raise DeviceError("the board is on fire")


def test_a_device_that_fails():
    with serving(Broken()) as url, pytest.raises(LinkDown, match="answers 503: DeviceError: the board is on fire"):
        HttpLink(url).send(pack(NETWORK, message()))


def test_addresses():
    for url in ("127.0.0.1:8001", "ftp://x", "http://"):
        with pytest.raises(BadArgument, match="is no address of a server, such as"):
            HttpLink(url)


def test_run_over_http():
    with serving() as url:
        got = run_queries(NETWORK, SUBNET, url, 12, (1000.0, 0.0, 1000.0), client="pynq_z2@1", server="zcu104")
        assert (got["queries"], got["wrong"]) == (12, 0) and len(got["rows"]) == 12
        with pytest.raises(WrongNetwork, match="has network 'toy', here is 'toy': both sides need the same bundle"):
            run_queries(toy_network(3), SUBNET, url, 1)
    with pytest.raises(LinkDown, match="does not answer"):
        run_queries(NETWORK, SUBNET, url, 1)
