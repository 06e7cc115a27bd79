"""Predictors: against PyTorch on random weights, against stored values of the published ones, and what is refused."""
from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from search_helpers import random_state

from nigiri.bundle import safetensors
from nigiri.search import features, fetch, predictor
from nigiri.search.errors import PredictorError
from nigiri.search.predictor import Macs, from_tensors, load_safetensors, save_safetensors
from nigiri.zoo.build import FAMILIES, cost
from nigiri.zoo.space import space_of

KINDS = {"mobilenet": "ofa_mbv3_w12", "resnet": "ofa_resnet50"}


def some(network, count=20, seed=5):
    rng, space = np.random.default_rng(seed), space_of(FAMILIES[network])
    return [space.random(rng) for _ in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_against_torch(kind):
    torch = pytest.importorskip("torch")
    state = random_state(kind)
    tensors = [torch.from_numpy(t) for name, t in state.items() if name != "base_acc"]
    choices = some(KINDS[kind])
    x = torch.tensor(np.array([getattr(features, kind)(c) for c in choices]), dtype=torch.float32)
    for n in range(0, 8, 2):
        x = torch.nn.functional.linear(x, tensors[n], tensors[n + 1] if n + 1 < len(tensors) else None)
        x = x.relu() if n < 6 else x
    want = 100 * (x[:, 0].numpy() + (0.8 if kind == "resnet" else 0))
    got = from_tensors(state)
    assert got.network == KINDS[kind]
    np.testing.assert_allclose(got.predict(choices), want, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("kind", "file", "stored"), [
    ("mobilenet", "acc_predictor.pth", "pareto_ofa_mbv3_w12.json"),
    ("resnet", "ofa_resnet50_acc_predictor.pth", "pareto_ofa_resnet50.json")])
def test_published_predictors(ofa, kind, file, stored):
    """What the original code said of eight SubNets each."""
    pytest.importorskip("torch")
    from nigiri.supernet.predictor import read_pth

    got, space = from_tensors(read_pth(ofa / file)), space_of(FAMILIES[KINDS[kind]])
    rows = json.loads((ofa / stored).read_text())
    np.testing.assert_allclose(got.predict([space.from_json(config) for _, config, _ in rows]),
                               [100 * value for *_, value in rows], atol=1e-3)


def test_no_choices():
    assert from_tensors(random_state("resnet")).predict([]).shape == (0,)


@pytest.mark.parametrize("kind", KINDS)
def test_safetensors(tmp_path, kind):
    path, state = tmp_path / "new" / "p.safetensors", random_state(kind)
    save_safetensors(path, state)
    choices = some(KINDS[kind])
    assert np.array_equal(load_safetensors(path).predict(choices), from_tensors(state).predict(choices))


def test_macs_is_a_proxy():
    family = FAMILIES["ofa_mbv3_w12"]
    choices = some("ofa_mbv3_w12", 3)
    want = [np.log2(cost(family.layers(), family.steps(c))[0] / 1e6) for c in choices]
    assert np.allclose(Macs(family).predict(choices), want) and "proxy" in Macs(family).name


def test_of_another_supernet():
    got = from_tensors(random_state("resnet"))
    got.check_for(FAMILIES["ofa_resnet50"])
    with pytest.raises(PredictorError, match=r"^this predictor is for ofa_resnet50, not for ofa_mbv3_w12: give the "
                                             r"predictor of that SuperNet, or --proxy macs$"):
        got.check_for(FAMILIES["ofa_mbv3_w12"])
    from_tensors(random_state("mobilenet")).check_for(FAMILIES["ofa_mbv3_w10"])


@pytest.mark.parametrize(("change", "message"), [
    ({"0.weight": np.zeros((400, 100))}, r"this is no accuracy predictor: layer 2 has weights of shape .*|this is no "
                                         r"accuracy predictor: it has 100 inputs and 1 outputs, not 128 "
                                         r"\(ofa_mbv3_w12\) or 82 \(ofa_resnet50\) and 1"),
    ({"2.weight": np.zeros((400, 3))}, r"this is no accuracy predictor: layer 2 has weights of shape \[400, 3\] where "
                                       r"400 inputs come"),
    ({"2.bias": np.zeros(3)}, r"this is no accuracy predictor: layer 2 .*"),
    ({"6.weight": np.zeros((2, 400)), "6.bias": np.zeros(2)}, r"this is no accuracy predictor: it has 128 inputs and 2 "
                                                              r"outputs, not .*"),
    ({"4.weight": np.full((400, 400), np.nan)}, r"this is no accuracy predictor: layer 4 .*"),
    ({"2.weight": np.float32(3)}, r"this is no accuracy predictor: layer 2 has weights of shape \[\] where .*")])
def test_no_predictor(change, message):
    with pytest.raises(PredictorError, match=f"^({message})$"):
        from_tensors(random_state("mobilenet") | change)


def test_no_tensors():
    with pytest.raises(PredictorError, match=r"^this is no accuracy predictor: it has 0 inputs and 0 outputs, not "):
        from_tensors({})


def test_files_that_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "p.safetensors"
    with pytest.raises(PredictorError, match=r"^there is no predictor at .* \(No such file or directory\): check the "
                                             r"path$"):
        load_safetensors(path)
    path.write_bytes(b"hello")
    with pytest.raises(PredictorError, match=r"^.*p\.safetensors is no safetensors file: it is too short$"):
        load_safetensors(path)
    monkeypatch.setattr(predictor, "LIMIT", 3)
    with pytest.raises(PredictorError, match=r"^.*p\.safetensors is larger than 3 bytes: it is no accuracy predictor$"):
        load_safetensors(path)


def test_pth(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    from nigiri.supernet import predictor as files

    path, state = tmp_path / "p.pth", random_state("mobilenet")
    tensors = {k: torch.from_numpy(v) for k, v in state.items()}
    for saved in (tensors, {"state_dict": tensors, "epoch": 3}):
        torch.save(saved, path)
        assert all(np.array_equal(v, state[k]) for k, v in files.read_pth(path).items())
    torch.save([1, 2], path)
    with pytest.raises(PredictorError, match=r"^.*p\.pth holds no state dictionary: give the file of the predictor "
                                             r"as it was published$"):
        files.read_pth(path)
    torch.save({"x": print}, path)                          # a function: what weights_only is there for
    with pytest.raises(PredictorError, match=r"^.*p\.pth cannot be read as tensors of PyTorch \(UnpicklingError\): "
                                             r"give the file of the predictor as it was published, or a \.safetensors "
                                             r"file$"):
        files.read_pth(path)
    path.write_bytes(b"hello")
    with pytest.raises(PredictorError, match=r"^.*p\.pth cannot be read as tensors of PyTorch"):
        files.read_pth(path)
    monkeypatch.setattr(files, "LIMIT", 3)
    with pytest.raises(PredictorError, match=r"^.*p\.pth is larger than 3 bytes: it is no accuracy predictor$"):
        files.read_pth(path)
    with pytest.raises(PredictorError, match=r"^there is no predictor at .*/none \(No such file or directory\): "):
        files.read_pth(tmp_path / "none")


@pytest.fixture
def server(tmp_path, monkeypatch):
    """(address, requests) of a server on this machine."""
    monkeypatch.setenv("NIGIRI_BUILD_DIR", str(tmp_path))
    raw, asked = safetensors.dump(random_state("resnet")), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200 if self.path.startswith("/p.safetensors") else 404)
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}", asked
        http.shutdown()
        thread.join()


def test_download_once(server, monkeypatch):
    url, asked = server
    assert fetch.is_url(url) and not fetch.is_url("file.pth")
    for _ in range(2):
        assert load_safetensors(fetch.fetched(f"{url}/p.safetensors")).network == "ofa_resnet50"
    assert asked == ["/p.safetensors"]
    with pytest.raises(PredictorError, match=r"^http.*/none cannot be downloaded \(Not Found\): download it in another "
                                             r"way and give the file$"):
        fetch.fetched(f"{url}/none")
    monkeypatch.setattr(fetch, "LIMIT", 100)
    with pytest.raises(PredictorError, match=r"^.*/p\.safetensors\?2 is larger than 100 bytes: it is no accuracy "
                                             r"predictor$"):
        fetch.fetched(f"{url}/p.safetensors?2")
