"""Official checkpoints: both spellings, files and URLs, and everything that is refused, with its sentence."""
import hashlib
import http.server
import threading
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import ofa_package  # noqa: E402

from nigiri.supernet.ofa import (  # noqa: E402
    URLS,
    BadCheckpoint,
    DownloadFailed,
    load_checkpoint,
    load_tensors,
    names,
    ofa_net,
)
from nigiri.supernet.ofa.checkpoint import one_spelling  # noqa: E402
from nigiri.supernet.ofa.download import checkpoint_folder  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")
MOBILE = "ofa_mbv3_d234_e346_k357_w1.0"


def old_spelling(key: str) -> str:
    """As in the files of early releases; their loader puts the repeated parts in."""
    if key.startswith("blocks."):
        key = key.replace(".conv.", ".mobile_inverted_conv.", 1)
        for part in ("conv", "bn"):
            key = key.replace(f".{part}.{part}.", f".{part}.")
    return key


@pytest.fixture(scope="module")
def source():
    return ofa_net(MOBILE, 7)


@pytest.fixture(scope="module")
def file(source, tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "mobile.pth"
    torch.save({"state_dict": source.state_dict()}, path)
    return path


def same(a, b) -> bool:
    return all(torch.equal(t, b.state_dict()[key]) for key, t in a.state_dict().items())


@pytest.mark.parametrize("name", names())
def test_one_spelling_keeps_all_keys_apart(name):
    with torch.device("meta"):
        keys = list(ofa_net(name).state_dict())
    assert len({one_spelling(k) for k in keys}) == len(keys)
    assert set(URLS) == set(names())


def test_a_file_fills_the_network(source, file):
    net = ofa_net(MOBILE, 8)
    assert not same(source, net)
    load_checkpoint(net, file, sha256=hashlib.sha256(file.read_bytes()).hexdigest().upper())
    assert same(source, net)


def test_the_file_format_of_old_torch_versions_without_a_wrapper(source, tmp_path):
    torch.save(source.state_dict(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    net = ofa_net(MOBILE, 8)
    load_checkpoint(net, tmp_path / "old.pth")
    assert same(source, net)


def test_the_old_spelling_means_the_same(source):
    old = {old_spelling(k): v for k, v in source.state_dict().items() if not k.endswith("num_batches_tracked")}
    assert not set(old) & {k for k in source.state_dict() if k.startswith("blocks.") and ".se." not in k}
    net = ofa_net(MOBILE, 8)
    load_tensors(net, old)
    assert same(source, net)
    if ofa_package.available():         # the package's own loader agrees on what the old names mean
        theirs = ofa_package.network(MOBILE)
        theirs.load_state_dict(old)
        assert same(source, theirs)


def refused(net, content) -> str:
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with pytest.raises(BadCheckpoint) as caught:
        load_tensors(net, content, "x.pth")
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    return str(caught.value)


def test_other_tensors_are_refused_with_their_names(source):
    state = dict(source.state_dict())
    state["extra.weight"] = torch.zeros(1)
    del state["first_conv.conv.weight"], state["classifier.linear.bias"]
    state["feature_mix_layer.conv.weight"] = torch.zeros(1280, 960)
    assert refused(ofa_net(MOBILE, 1), state) == (
        f"x.pth is not a checkpoint of {MOBILE}: 2 missing (first_conv.conv.weight, classifier.linear.bias); "
        "1 unexpected (extra.weight); 1 of another shape (feature_mix_layer.conv.weight [1280, 960] instead of "
        "[1280, 960, 1, 1])")


def test_the_checkpoint_of_another_network_is_refused(source):
    message = refused(ofa_net("ofa_resnet50"), source.state_dict())
    assert message.startswith("x.pth is not a checkpoint of ofa_resnet50: 305 missing (input_stem.0.conv.conv.weight, ")
    assert ", ...); " in message and len(message) < 700


@pytest.mark.parametrize("content", [[1], {"state_dict": 3}, {"a": "b"}, {"a": torch.zeros(2).to_sparse()}])
def test_other_content_is_refused(content):
    assert refused(ofa_net(MOBILE), content) == (
        "x.pth does not hold a state dict: a mapping of names to tensors is needed")


def test_a_tensor_twice_is_refused(source):
    key = "blocks.1.conv.point_linear.conv.conv.weight"
    state = {**source.state_dict(), old_spelling(key): source.state_dict()[key]}
    assert refused(ofa_net(MOBILE), state) == (
        f"x.pth holds the same tensor as {key} and as {old_spelling(key)}: one of them must go")


def test_values_that_are_not_finite_are_refused(source):
    state = dict(source.state_dict())
    state["classifier.linear.bias"] = torch.full((1000,), float("nan"))
    assert refused(ofa_net(MOBILE, 0), state) == (
        "x.pth is damaged: 1 with values that are not finite (classifier.linear.bias)")


def message(*args, **kwargs) -> str:
    with pytest.raises((BadCheckpoint, DownloadFailed)) as caught:
        load_checkpoint(*args, **kwargs)
    return str(caught.value)


def test_files_that_are_no_checkpoints(tmp_path, file):
    net = ofa_net(MOBILE)
    assert message(net, tmp_path / "no.pth") == (
        f"there is no file {tmp_path}/no.pth: give the path or URL of a checkpoint of {MOBILE}")
    noise = tmp_path / "noise.pth"
    for content in (b"", b"hello", file.read_bytes()[:100_000]):
        noise.write_bytes(content)
        assert message(net, noise).startswith(
            "noise.pth is not a file of tensors that torch can read: download it again (")
    size = file.stat().st_size
    assert message(net, file, max_bytes=1000) == (
        f"mobile.pth has {size} bytes, more than the 1000 that are read: is this a checkpoint of {MOBILE}?")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert message(net, file, sha256="ab") == (
        f"{file} has the SHA-256 {digest}, not ab: get the file again, or correct the digest")


def test_code_in_a_file_does_not_run(tmp_path):
    class Harmful:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    path = tmp_path / "x.pth"
    torch.save({"state_dict": Harmful()}, path)
    assert message(ofa_net(MOBILE), path) == (
        "x.pth is not a file of tensors that torch can read: download it again (UnpicklingError)")
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def server(file):
    """A real HTTP server of the checkpoint's folder on this machine; (address, paths asked for)."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(file.parent))

        def do_GET(self):
            asked.append(self.path)
            if self.path == "/short":
                self.send_response(200)
                self.send_header("Content-Length", "100")
                self.end_headers()
                self.wfile.write(b"short")
            else:
                super().do_GET()

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{web.server_port}", asked
        web.shutdown()
        thread.join()


def test_a_url_is_downloaded_once(server, file, source, tmp_path):
    (address, asked), digest = server, hashlib.sha256(file.read_bytes()).hexdigest()
    for _ in range(2):
        net = ofa_net(MOBILE, 8)
        load_checkpoint(net, f"{address}/mobile.pth", sha256=digest, folder=tmp_path)
        assert same(source, net)
    assert asked == ["/mobile.pth"] and len(list(tmp_path.iterdir())) == 1


def test_without_a_source_the_release_is_downloaded(server, file, source, tmp_path, monkeypatch):
    (address, asked), digest = server, hashlib.sha256(file.read_bytes()).hexdigest()
    monkeypatch.setitem(URLS, MOBILE, f"{address}/mobile.pth?download=true")
    net = ofa_net(MOBILE, 8)
    load_checkpoint(net, sha256=digest, folder=tmp_path)
    assert same(source, net) and asked == ["/mobile.pth?download=true"]


def test_urls_that_are_refused(server, file, tmp_path):
    (address, _), net = server, ofa_net(MOBILE)
    for url in (f"{address}/mobile.pth", "ftp://x.org/y", f"file://{file}"):
        assert message(net, url, folder=tmp_path) == (
            f"{url} is not an https address: use https, or http together with a SHA-256")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert message(net, f"{address}/mobile.pth", sha256=digest, folder=tmp_path, max_bytes=1000) == (
        f"{address}/mobile.pth delivers more than the 1000 bytes that are read: check the address")
    assert message(net, f"{address}/no", sha256=digest, folder=tmp_path) == (
        f"{address}/no cannot be downloaded (HTTP Error 404: File not found): check the address and the network, or "
        "download it by other means and give the file")
    assert message(net, f"{address}/short", sha256=digest, folder=tmp_path) == (
        f"{address}/short broke off after 5 bytes: try again")
    assert message(net, f"{address}/mobile.pth", sha256="ab", folder=tmp_path) == (
        f"{address}/mobile.pth delivers a file with the SHA-256 {digest}, not ab: check the address and the digest")
    assert list(tmp_path.iterdir()) == []       # nothing broken is kept


def test_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("NIGIRI_BUILD_DIR", str(tmp_path))
    assert checkpoint_folder() == tmp_path / "checkpoints"
    monkeypatch.delenv("NIGIRI_BUILD_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    assert checkpoint_folder() == tmp_path / "c" / "nigiri" / "checkpoints"
