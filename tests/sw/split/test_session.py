"""Messages, the choice of the cut, and a client whose bandwidth changes and whose server goes away."""
import json
import struct
import threading
import zlib

import numpy as np
import pytest

from nigiri.compiler.interpret import Interpreter
from nigiri.compiler.toy import toy_network
from nigiri.runtime.errors import BadArgument
from nigiri.spec import get_config, get_memory
from nigiri.split.choose import Bandwidth, Chooser, Costs
from nigiri.split.client import HttpLink, LinkDown, SplitClient, Throttled
from nigiri.split.runners import GoldenRunner
from nigiri.split.server import answer, application
from nigiri.split.times import array_ms, measured_ms
from nigiri.split.wire import HEAD, BadMessage, Message, digest, pack, unpack

NETWORK = toy_network(2)
SUBNET = "mid"
COUNT = len(NETWORK.subnet(SUBNET).layers)


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (NETWORK.height, NETWORK.width, 3), dtype=np.uint8)


def message(at=3, seed=0):
    return Message(subnet=SUBNET, at=at, tensors=GoldenRunner(NETWORK).run(SUBNET, 0, at, {"input": picture(seed)}))


def sealed(raw):
    return raw + struct.pack("<I", zlib.crc32(raw))


def with_header(**fields):
    raw = pack(NETWORK, message())
    length = HEAD.unpack_from(raw)[2]
    header = json.loads(raw[HEAD.size:HEAD.size + length]) | fields
    text = json.dumps(header).encode()
    return sealed(HEAD.pack(b"NGSP", 1, len(text)) + text + raw[HEAD.size + length:-4])


@pytest.mark.parametrize("at", range(1, COUNT + 1))
def test_messages_come_back(at):
    sent = message(at)
    got = unpack(NETWORK, pack(NETWORK, sent))
    assert (got.subnet, got.at) == (SUBNET, at) and list(got.tensors) == list(sent.tensors)
    assert all(np.array_equal(got.tensors[t], v) for t, v in sent.tensors.items())


def test_header_has_zero_points():
    raw = pack(NETWORK, message(1))
    header = json.loads(raw[HEAD.size:HEAD.size + HEAD.unpack_from(raw)[2]])
    layer = NETWORK.subnet(SUBNET).layers[0]
    assert header["tensors"][0] == {"name": layer.name, "shape": [16, *NETWORK.out_side(layer)], "type": "int8",
                                    "zero_point": layer.zp_out, "scale": None}


@pytest.mark.parametrize(("raw", "text"), [
    (b"", "these bytes are no message"), (b"GET / HTTP/1.1\r\n\r\n", "these bytes are no message"),
    (pack(NETWORK, message())[:-9] + b"x" * 9, "damaged: its checksum"),
    (sealed(HEAD.pack(b"NGSP", 9, 2) + b"{}"), "has version 9, this software speaks 1"),
    (sealed(HEAD.pack(b"NGSP", 1, 999) + b"{}"), "header cannot have 999 bytes"),
    (sealed(HEAD.pack(b"NGSP", 1, 2) + b"{}"), r"header is not understood \(KeyError\)"),
    (sealed(HEAD.pack(b"NGSP", 1, 2) + b"[["), r"header is not understood \(JSONDecodeError\)"),
    (with_header(digest="0"), "both sides need the same bundle"), (with_header(subnet="none"), "no SubNet 'none'"),
    (with_header(subnet=["mid"]), "no SubNet"), (with_header(at=99), f"has cuts 0 to {COUNT}, not 99"),
    (with_header(at=True), "not True"), (with_header(at=COUNT), "cross fc, not"),
    (with_header(tensors=[]), "cross .*, not "),
    (sealed(pack(NETWORK, message())[:-5]), r"carries \d+ bytes of codes, not \d+"),
])
def test_bad_messages(raw, text):
    with pytest.raises(BadMessage, match=text):
        unpack(NETWORK, raw)


def test_limit():
    with pytest.raises(BadMessage, match="at most 10 bytes, not"):
        unpack(NETWORK, pack(NETWORK, message()), limit=10)
    assert digest(NETWORK) != digest(toy_network(3))


def test_noise_is_refused():
    rng, good = np.random.default_rng(0), bytearray(pack(NETWORK, message()))
    for _ in range(300):
        raw = bytearray(good)
        for _ in range(int(rng.integers(1, 4))):
            raw[int(rng.integers(len(raw)))] ^= int(rng.integers(1, 256))
        raw = raw[:int(rng.integers(len(raw)))] if rng.random() < 0.3 else raw
        if bytes(raw) != bytes(good):
            with pytest.raises(BadMessage):
                unpack(NETWORK, bytes(raw))
            with pytest.raises(BadMessage):
                unpack(NETWORK, sealed(rng.bytes(40)))


COSTS = Costs.of(NETWORK, SUBNET, [4.0] * COUNT, [0.1] * COUNT, start_ms=0.5)


def test_choice_against_every_cut():
    for rate in (0.01, 0.1, 1, 3, 10, 1000):
        want = min(range(COUNT + 1), key=lambda n: sum(COSTS.client_ms[:n]) + (0 if n == COUNT else 2 + 0.5
                   + 8e-3 * COSTS.nbytes[n] / rate + sum(COSTS.server_ms[n:])))
        assert Chooser(COSTS, rtt_ms=2).choose(rate) == want
    assert Chooser(COSTS).choose(0) == COUNT
    assert Chooser(COSTS).choose(1e6) == 0
    with pytest.raises(BadArgument, match="the times have 1 and 0"):
        Costs.of(NETWORK, SUBNET, [1.0], [])
    with pytest.raises(BadArgument, match="a bandwidth cannot be negative"):
        Bandwidth(-1)


def test_the_cut_does_not_flap():
    chooser, seen = Chooser(COSTS), []
    edge = next(r / 100 for r in range(1, 10_000) if Chooser(COSTS).choose(r / 100) != COUNT)
    for n in range(40):
        seen.append(chooser.choose(edge * (1.02 if n % 2 else 0.98)))
    assert len(set(seen[1:])) == 1


class Local:
    """A server in the same process."""

    def __init__(self):
        self.runner, self.calls, self.gone = GoldenRunner(NETWORK), 0, False

    def send(self, raw):
        if self.gone:
            raise LinkDown("gone")
        self.calls += 1
        return answer(NETWORK, self.runner, raw)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_a_served_stream_with_changing_bandwidth():
    """The cut follows the bandwidth; a server that goes away costs no query, and no answer is wrong."""
    clock, local, rate = Clock(), Local(), [50.0]
    # A slow head: with little bandwidth the first layers are worth computing, the rest is not.
    costs = Costs.of(NETWORK, SUBNET, [0.5] * (COUNT - 2) + [20.0] * 2, [0.1] * COUNT, start_ms=0.5)
    link = Throttled(local, lambda: rate[0], clock.sleep)
    client = SplitClient(NETWORK, GoldenRunner(NETWORK), link, {SUBNET: costs}, clock=clock)
    golden, cuts, alone = Interpreter(NETWORK, SUBNET), [], 0
    for n in range(120):
        rate[0] = (50.0, 0.1, 0.002, 50.0, 0.0, 50.0)[n // 20]
        local.gone = 70 <= n < 74
        answer_ = client.infer(SUBNET, picture(n))
        assert np.array_equal(answer_.logits, golden.logits(picture(n)[None])[0]), n
        cuts.append(answer_.cut)
        alone += answer_.alone
        clock.sleep(0.4)
    assert len(set(cuts)) >= 3 and COUNT in cuts and 0 in cuts
    assert alone >= 2 and local.calls > 40


def test_over_http():
    uvicorn = pytest.importorskip("uvicorn")
    pytest.importorskip("starlette")
    server = uvicorn.Server(uvicorn.Config(application(NETWORK, GoldenRunner(NETWORK), limit=10_000), port=0,
                                           log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    host, port = server.servers[0].sockets[0].getsockname()
    assert host == "127.0.0.1"
    link = HttpLink(f"http://{host}:{port}")
    got = unpack(NETWORK, link.send(pack(NETWORK, message(4))))
    want = Interpreter(NETWORK, SUBNET).logits(picture()[None])[0]
    assert got.at == COUNT and np.array_equal(got.tensors[NETWORK.subnet(SUBNET).output].reshape(-1), want)
    with pytest.raises(BadMessage, match="these bytes are no message"):
        link.send(b"hello")
    with pytest.raises(BadMessage, match=f"nothing is left to compute behind cut {COUNT}"):
        link.send(pack(NETWORK, message(COUNT)))
    with pytest.raises(LinkDown, match="answers 413: a message may have at most 10000 bytes"):
        link.send(bytes(20_000))
    server.should_exit = True
    thread.join(10)
    with pytest.raises(LinkDown, match="does not answer"):
        link.send(b"hello")


def test_times():
    config = get_config("pynq_z2")
    ms = array_ms(NETWORK, SUBNET, config, get_memory("ddr3_z2"))
    assert len(ms) == COUNT and min(ms) > 0
    assert sum(array_ms(NETWORK, SUBNET, config, get_memory("ddr3_z2"), 50.0)) == pytest.approx(2 * sum(ms))
    assert len(measured_ms(NETWORK, SUBNET, 1)) == COUNT
