"""The server as its clients see it: our client, tritonclient, curl-like requests, a browser's events."""
from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.error
import urllib.request
import venv
from pathlib import Path

import numpy as np
import pytest

from nigiri import bundle
from nigiri.runtime.errors import BadArgument
from nigiri.serving.build import Options, get_policy, parse_devices
from nigiri.serving.client import Client
from nigiri.serving.errors import NotAuthorised, Overloaded, TooLarge, Unattainable, Unavailable, UnknownModel
from nigiri.serving.http import Guard
from nigiri.serving.limits import RateLimit
from nigiri.serving.server import Settings

from .running import server

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MODELLED = Options(devices=("2xmodel:pynq_z2",), subgraphs=4)


@pytest.fixture(scope="module")
def modelled(loaded):
    with server(loaded, MODELLED) as made:
        yield made


def ask(made, path, data=None, **headers):
    """(status, body, headers)."""
    request = urllib.request.Request(f"http://127.0.0.1:{made.port}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as r:
            return r.status, r.read(), r.headers
    except urllib.error.HTTPError as e:
        return e.code, e.read(), e.headers


def use(made, work, **options):
    async def main():
        async with Client(f"http://127.0.0.1:{made.port}", **options) as client:
            return await work(client)
    return asyncio.run(main())


def test_client(modelled, images, golden):
    async def work(client):
        assert await client.ready() and (await client.metadata())["platform"] == "nigiri_int8"
        two = await client.infer(images[:2], accuracy=91.0)
        with pytest.raises(Unattainable, match=r"^no SubNet reaches 99.00 % accuracy"):
            await client.infer(images[:1], accuracy=99)
        with pytest.raises(UnknownModel, match=r"^there is no SubNet 'x': choose"):
            await client.infer(images[:1], subnet="x")
        return two
    got = use(modelled, work)
    assert np.array_equal(got.logits, golden.logits(got.subnet, images[:2])) and got.parameters["accuracy"] >= 91
    assert (got.labels == got.logits.argmax(axis=1)).all()


@pytest.fixture(scope="session")
def triton(tmp_path_factory):
    """A Python with tritonclient, which needs another grpcio than pynq."""
    folder = ROOT / "build" / "tritonclient"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        done = subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                               "tritonclient[http,grpc]==2.73.0"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        (folder / "ready").touch()
    return python


@pytest.mark.verilator
@pytest.mark.parametrize("devices", [("2xmodel:pynq_z2",), ("rtl:pynq_z2",)], ids=["model", "rtl"])
def test_tritonclient(loaded, triton, images, golden, devices):
    """HTTP and gRPC, unchanged: labels, parameters, errors."""
    archive = ROOT / "sw" / "nigiri" / "data" / "cifar512.npz"
    with server(loaded, Options(devices=devices, subgraphs=4, hang_s=120)) as made:
        done = subprocess.run([triton, HERE / "triton_client.py", archive, f"127.0.0.1:{made.port}",
                               f"127.0.0.1:{made.grpc_port}", "3"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    got = json.loads(done.stdout)
    for name, codes in (("http", ["422", "422", "400", "400", "404", "404"]),
                        ("grpc", ["FAILED_PRECONDITION"] * 2 + ["INVALID_ARGUMENT"] * 2 + ["NOT_FOUND"] * 2)):
        x = got[name]
        assert x["live"] and x["ready"] and x["model"]
        accurate = next(s for s in loaded.subnets if s.name == x["subnets"][1])
        assert accurate.accuracy_int8 >= 91 and x["subnets"][0] == "min"
        # No target: the fastest SubNet answers.
        wanted = golden.logits("min", images[:3]).argmax(axis=1).tolist()
        assert x["labels"] == wanted and x["three"] == wanted
        assert [e[0].removeprefix("StatusCode.") for e in x["errors"]] == codes


def test_health_metrics_page_and_events(modelled, images):
    use(modelled, lambda c: c.infer(images[:3]))
    assert ask(modelled, "/v2/health/live")[0] == ask(modelled, "/v2/health/ready")[0] == 200
    one = json.loads(ask(modelled, "/v2/models/nigiri-cifar/versions/1/ready")[1])
    assert one == {"name": "nigiri-cifar", "ready": True}
    assert ask(modelled, "/v2/models/nigiri-cifar/versions/9")[0] == 404
    text = ask(modelled, "/metrics")[1].decode()
    assert 'nigiri_images_total{subnet="min"}' in text and 'nigiri_device_up{device="model:pynq_z2#0"} 1.0' in text
    status, page, headers = ask(modelled, "/")
    assert status == 200 and b"SuperNet, layer by layer" in page
    assert "default-src 'self'" in headers["content-security-policy"]
    layers = json.loads(ask(modelled, "/nigiri/network")[1])
    with urllib.request.urlopen(f"http://127.0.0.1:{modelled.port}/nigiri/events", timeout=30) as stream:
        state = json.loads(stream.readline().decode().removeprefix("data: "))
    assert state["subnets"]["min"] >= 3 and len(state["devices"]) == 2 and state["attainment"] == 1.0
    assert {str(x["id"]) for x in layers} >= set(state["used"]) != set()


def test_what_is_too_large_and_unknown_addresses(loaded, images):
    with server(loaded, MODELLED, Settings(port=0, grpc_port=None, guard=Guard(most_bytes=4096))) as made:
        with pytest.raises(TooLarge, match=r"^a request may have 4096 bytes, not \d+$"):
            use(made, lambda c: c.infer(images[:2]))
        assert ask(made, "/v2/models/x/infer", b"{}")[0] == 404 and ask(made, "/nothing")[0] == 404
        assert ask(made, "/nigiri/reload", b"{}")[0] == 404


def test_token_and_rate(loaded, images):
    guard = Guard(token="0123456789abcdef", rate=RateLimit(5, 3))
    with server(loaded, MODELLED, Settings(port=0, grpc_port=0, guard=guard)) as made:
        with pytest.raises(NotAuthorised, match=r"^this server wants a token: send it as 'Authorization"):
            use(made, lambda c: c.infer(images[:1]))
        assert use(made, lambda c: c.infer(images[:1]), token=guard.token).subnet == "min"
        assert ask(made, "/v2/health/live")[0] == 200 and ask(made, "/metrics")[0] == 401 and ask(made, "/")[0] == 401
        status, _, headers = ask(made, f"/?token={guard.token}")
        assert status == 200 and "HttpOnly" in headers["set-cookie"]
        assert ask(made, "/nigiri/network", cookie=f"nigiri_token={guard.token}")[0] == 200

        async def many(client):
            for _ in range(5):
                await client.infer(images[:1])
        with pytest.raises(Overloaded, match=r"^more than 5 requests a second from one client: slow down$") as error:
            use(made, many, token=guard.token)
        assert 0 < error.value.retry_after_s <= 0.2


def test_change_of_bundle(loaded, images, tmp_path):
    (tmp_path / "other.nigiri").write_bytes(bundle.demo_path().read_bytes())
    (tmp_path / "broken.nigiri").write_bytes(b"not a bundle")
    with server(loaded, MODELLED, Settings(port=0, grpc_port=None, bundles=tmp_path)) as made:
        status, body, _ = ask(made, "/nigiri/reload", b'{"bundle": "other.nigiri"}')
        assert status == 200 and json.loads(body)["versions"] == ["2"]
        for name in ("broken.nigiri", "../x", "none"):
            assert ask(made, "/nigiri/reload", json.dumps({"bundle": name}).encode())[0] == 400
        assert ask(made, "/nigiri/reload", b"[]")[0] == 400
        assert use(made, lambda c: c.infer(images[:1])).subnet == "min"


def test_nobody_listens():
    async def main():
        async with Client("http://127.0.0.1:9") as client:
            assert not await client.ready()
            with pytest.raises(Unavailable, match=r"^no server answers at http://127.0.0.1:9"):
                await client.infer(np.zeros((1, 32, 32, 3), np.uint8))
    asyncio.run(main())


@pytest.mark.parametrize(("settings", "message"), [
    ({"host": "0.0.0.0"}, "the server would be open to everybody on 0.0.0.0: set a token, or listen on 127.0.0.1"),
    ({"guard": Guard(token="short")}, "the token must have at least 16 characters"),
    ({"certificate": Path("x")}, "TLS needs both a certificate and its key"),
    ({"certificate": Path("x"), "key": Path("y")}, "there is no file x: give the certificate and key in PEM format")])
def test_unsafe_settings(settings, message):
    with pytest.raises(BadArgument, match=f"^{message}$"):
        Settings(**settings).check()


def test_names():
    assert parse_devices(["2xmodel:tiny", "pynq"]) == ["model:tiny", "model:tiny", "pynq"]
    with pytest.raises(BadArgument, match=r"^a server drives 1 to 64 devices, not 99$"):
        parse_devices(["99xpynq"])
    with pytest.raises(BadArgument, match=r"^a device has an empty name"):
        parse_devices([""])
    with pytest.raises(BadArgument, match=r"^unknown policy 'x': choose one of sushi, .* or clipper:SUBNET$"):
        get_policy("x")
    for name in ("sushi", "drainfit", "clipper:s1"):
        assert get_policy(name, 2)().name


def test_commands(modelled, capsys):
    from nigiri.cli import main

    url = f"http://127.0.0.1:{modelled.port}"
    assert main(["load", url, "--clients", "4", "--seconds", "1", "--check", "--json"]) == 0
    got = json.loads(capsys.readouterr().out)
    assert got["lost"] == got["wrong"] == 0 < got["answered"] and got["attainment"] == 1.0
    assert main(["load", url, "--rate", "40", "--seconds", "1", "--deadline", "500", "--shape", "poisson"]) == 0
    assert "0 lost" in capsys.readouterr().out
    assert main(["load", url, "--shape", "none"]) == 2
    assert main(["serve", "--host", "0.0.0.0"]) == 2
    assert "set a token" in capsys.readouterr().err


def test_the_command_ends_with_a_signal(tmp_path):
    command = [Path(sys.executable).with_name("nigiri"), "serve", "--device", "golden:pynq_z2", "--port", "0",
               "--grpc-port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith("ready: http://127.0.0.1:"):
            break
    process.terminate()
    assert process.wait(60) == 0, lines
    process.stderr.close()
