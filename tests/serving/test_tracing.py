"""Spans of OpenTelemetry, and TLS."""
from __future__ import annotations

import asyncio
import json
import ssl
import urllib.request

import grpc
import pytest
import trustme

from nigiri.cli import main
from nigiri.runtime.errors import BadArgument
from nigiri.serving.build import Options
from nigiri.serving.messages import messages
from nigiri.serving.rpc import SERVICE
from nigiri.serving.server import Settings
from nigiri.serving.tracing import tracing

from .running import server

MODELLED = Options(devices=("model:pynq_z2",), subgraphs=2)
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_spans_are_inside_the_callers(loaded, tmp_path):
    spans, flush = tracing(str(tmp_path / "spans.jsonl"))
    with server(loaded, MODELLED, Settings(port=0, grpc_port=0), observers=(spans,)) as made:
        body = {"inputs": [{"name": "image", "datatype": "UINT8", "shape": [1, 32, 32, 3], "data": [0] * 3072}]}
        for more in ({}, {"parameters": {"accuracy": 99.0}}):
            request = urllib.request.Request(f"http://127.0.0.1:{made.port}/v2/models/nigiri-cifar/infer",
                                             json.dumps(body | more).encode(), {"traceparent": CALLER})
            try:
                urllib.request.urlopen(request, timeout=30).read()
            except urllib.error.HTTPError as error:
                assert more and error.code == 422
    flush()
    found = {x["name"]: x for x in map(json.loads, (tmp_path / "spans.jsonl").read_text().splitlines())}
    assert set(found) == {"infer", "queue", "device", "refused"}
    assert {x["context"]["trace_id"] for x in found.values()} == {"0x0af7651916cd43dd8448eb211c80319c"}
    assert found["infer"]["parent_id"] == "0xb7ad6b7169203331" and found["infer"]["attributes"]["subnet"] == "min"
    assert found["queue"]["parent_id"] == found["device"]["parent_id"] == found["infer"]["context"]["span_id"]
    assert found["refused"]["status"]["status_code"] == "ERROR"
    assert "no SubNet reaches 99.00 %" in found["refused"]["status"]["description"]


def test_traces_that_cannot_be_written(tmp_path, capsys):
    with pytest.raises(BadArgument, match=r"^traces cannot be written to .*: name another file, or 'otlp'$"):
        tracing(str(tmp_path / "none" / "spans.jsonl"))


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def test_tls(loaded, tmp_path, authority):
    mine = authority.issue_cert("localhost", "127.0.0.1")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(b"".join(x.bytes() for x in mine.cert_chain_pems))
    mine.private_key_pem.write_to_path(key)
    with server(loaded, MODELLED, Settings(port=0, grpc_port=0, certificate=certificate, key=key)) as made:
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        url = f"https://127.0.0.1:{made.port}/v2/health/ready"
        assert json.loads(urllib.request.urlopen(url, context=trusting, timeout=30).read()) == {"ready": True}
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(url, timeout=30)

        async def ask():
            credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
            async with grpc.aio.secure_channel(f"localhost:{made.grpc_port}", credentials) as channel:
                m = messages()
                call = channel.unary_unary(f"/{SERVICE}/ServerReady", request_serializer=m[
                    "ServerReadyRequest"].SerializeToString, response_deserializer=m["ServerReadyResponse"].FromString)
                return await call(m["ServerReadyRequest"]())
        assert asyncio.run(ask()).ready


def test_a_key_that_does_not_fit(tmp_path, authority, capsys):
    one, other = authority.issue_cert("localhost"), authority.issue_cert("localhost")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(one.cert_chain_pems[0].bytes())
    other.private_key_pem.write_to_path(key)
    assert main(["serve", "--device", "model:pynq_z2", "--port", "0", "--certificate", str(certificate),
                 "--key", str(key)]) == 2
    assert "the certificate and key do not fit: " in capsys.readouterr().err
