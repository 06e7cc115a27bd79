"""`nigiri split`: the table of cuts, what the server refuses to be, and a client against a server."""
import json

import pytest
from split_http import serving
from typer.testing import CliRunner

from nigiri import bundle
from nigiri.cli.app import app
from nigiri.runtime.errors import BadArgument
from nigiri.split.link import LinkDown


def call(*args, **options):
    result = CliRunner().invoke(app, ["split", *args], catch_exceptions=False, **options)
    assert result.exit_code == 0, result.output
    return result.output


def test_plan():
    args = ("plan", "demo:min", "--client", "pynq_z2@2", "--rtt", "1")
    found = json.loads(call(*args, "--bandwidth", "100", "--json"))
    cuts = found["cuts"]
    assert [c["cut"] for c in cuts] == list(range(14)) and found["best"] == 0
    assert min(cuts, key=lambda c: c["ms"])["cut"] == found["best"] and cuts[0]["tensors"] == ["input"]
    assert cuts[0]["client_ms"] == cuts[-1]["server_ms"] == 0
    alone = json.loads(call(*args, "--bandwidth", "0", "--json"))
    assert alone["best"] == 13 and [c["ms"] is None for c in alone["cuts"]] == [True] * 13 + [False]
    text = call(*args, "--bandwidth", "0")
    assert "13 *" in text and "what crosses" in text


@pytest.mark.parametrize(("host", "token", "text"), [
    ("0.0.0.0", None, "the server would be open to everybody on 0.0.0.0: set NIGIRI_TOKEN, or listen on 127.0.0.1"),
    ("0.0.0.0", "short", "the token must have at least 16 characters"),
    ("127.0.0.1", "short", "the token must have at least 16 characters"),
])
def test_a_server_open_to_everybody(monkeypatch, host, token, text):
    monkeypatch.delenv("NIGIRI_TOKEN", raising=False)
    if token:
        monkeypatch.setenv("NIGIRI_TOKEN", token)
    with pytest.raises(BadArgument, match=text):
        call("serve", "demo", "--host", host)


def test_run(monkeypatch):
    monkeypatch.setenv("NIGIRI_TOKEN", "0123456789abcdef")
    network = bundle.load(bundle.demo_path()).network
    with serving(network=network, token="0123456789abcdef") as url:
        args = ("run", "demo:min", "--url", url, "--client", "pynq_z2@1", "--server", "zcu104", "--bandwidth", "1000",
                "--bandwidth", "0")
        found = json.loads(call(*args, "--queries", "6", "--json"))
        assert (found["queries"], found["wrong"]) == (6, 0) and 1 <= found["alone"] <= 2
        assert "2 queries, 0 wrong, 1 answered alone" in call(*args, "--queries", "2")
    with pytest.raises(LinkDown, match="does not answer"):
        call("run", "demo:min", "--url", url)
