"""Bundles: round trip, and every way in which one is refused."""
from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from nigiri import bundle
from nigiri.bundle import archive, codec, safetensors, upgrade
from nigiri.bundle.errors import (
    BundleChecksumError,
    BundleConfigError,
    BundleCorruptError,
    BundleError,
    BundleFormatError,
    BundleMissingError,
    BundleSizeError,
)
from nigiri.compiler.compile import compile_network
from nigiri.compiler.compiled import CompiledBundle
from nigiri.compiler.toy import toy_network
from nigiri.compiler.toy_image import toy_image_network
from nigiri.spec import CONFIGS, get_config

AREAS = (*codec.AREAS, "inputs", "images", "fold", "outputs", "dumps", "layers", "input_zp", "classes", "network")


@pytest.fixture
def path(tmp_path):
    out = tmp_path / "toy.nigiri"
    bundle.save(out, toy_network(0), get_config("tiny"), {"seed": 0})
    return out


def members(path):
    with zipfile.ZipFile(path) as z:
        return {name: z.read(name) for name in z.namelist()}


def rewrite(path, **changes):
    """Write the archive again with members changed ("__" stands for a dot) or, with None, left out."""
    files = members(path) | {name.replace("__", "."): raw for name, raw in changes.items()}
    with zipfile.ZipFile(path, "w") as z:
        for name, raw in files.items():
            if raw is not None:
                z.writestr(name, raw)


def manifest(path, change):
    data = json.loads(members(path)["manifest.json"])
    change(data)
    rewrite(path, manifest__json=json.dumps(data).encode())


def same(a: CompiledBundle, b: CompiledBundle) -> bool:
    return a.image.tobytes() == b.image.tobytes() and all(getattr(a, x) == getattr(b, x) for x in AREAS)


def test_round_trip(path):
    network, loaded = toy_network(0), bundle.load(path)
    assert loaded.config_name == "tiny" and loaded.facts == {"seed": 0}
    assert [s.name for s in loaded.subnets] == ["min", "mid", "max"]
    assert same(loaded.compiled(), compile_network(network, get_config("tiny")))
    for config in CONFIGS.values():
        assert same(loaded.compiled(config), compile_network(network, config))


def test_round_trip_of_every_operator(tmp_path):
    network, config = toy_image_network(0), replace(get_config("tiny"), name="wide", layers=32, db_words=1024)
    bundle.save(tmp_path / "x.nigiri", network, config)
    loaded = bundle.load(tmp_path / "x.nigiri")
    assert same(loaded.compiled(config, recompile=False), compile_network(network, config))
    assert loaded.network.fold == network.fold and loaded.network.layers == network.layers
    assert loaded.network.image_side(loaded.network.subnets[0]) == (13, 10)


def old_format(path, version):
    """Make a bundle look as format 1 or 2 wrote it: .npy members; 1: no fields of 2, programs of another interface."""
    files = members(path)
    data, arrays = json.loads(files["manifest.json"]), safetensors.parse(files["tensors.safetensors"])
    raw = {f"{name}.npy": _npy(array) for name, array in arrays.items()}
    data |= {"version": version, "members": {name: {"sha256": hashlib.sha256(x).hexdigest(), "bytes": len(x)}
                                             for name, x in raw.items()}}
    del data["tensors"]
    if version == 1:
        del data["network"]["fold"], data["compiled"]["inputs"]
        data["config"]["digest"] = 7
        for s in data["network"]["subnets"]:
            del s["height"], s["width"]
        for s in data["network"]["layers"]:
            del s["maximum"], s["shared"]
    with zipfile.ZipFile(path, "w") as z:
        for name, x in {"manifest.json": json.dumps(data).encode(), **raw}.items():
            z.writestr(name, x)


@pytest.mark.parametrize("version", [1, 2])
def test_upgrade(path, tmp_path, capsys, version):
    before = path.read_bytes()
    old_format(path, version)
    with pytest.raises(BundleFormatError, match=rf"^.*toy\.nigiri is in bundle format version {version}, this software "
                       r"reads version 3: convert it with python -m nigiri\.bundle\.upgrade OLD NEW$"):
        bundle.load(path)
    assert upgrade.main([str(path), str(tmp_path / "new.nigiri")]) == 0
    assert (tmp_path / "new.nigiri").read_bytes() == before
    assert upgrade.main([str(tmp_path / "new.nigiri"), str(tmp_path / "again.nigiri")]) == 2
    assert ("new.nigiri is in bundle format version 3, not 1 to 2: there is nothing to upgrade"
            in capsys.readouterr().err)
    assert upgrade.main(["one"]) == 2
    assert capsys.readouterr().err == "usage: python -m nigiri.bundle.upgrade OLD NEW\n"


def test_upgrade_keeps_everything_of_the_demo(tmp_path):
    """To format 2 and back: the same bytes, compiled programs of whatever configuration included."""
    path = tmp_path / "demo.nigiri"
    path.write_bytes(bundle.demo_path().read_bytes())
    old_format(path, 2)
    upgrade.upgrade(path, tmp_path / "new.nigiri")
    assert (tmp_path / "new.nigiri").read_bytes() == bundle.demo_path().read_bytes()


@pytest.mark.parametrize("version", [1, 2])
def test_upgrade_of_an_unsound_bundle(path, tmp_path, version):
    old_format(path, version)
    manifest(path, lambda m: m["network"].pop("layers"))
    with pytest.raises(BundleCorruptError, match=r"^.*toy\.nigiri does not describe a sound network \('layers'\): "
                                                 r"export the bundle again$"):
        upgrade.upgrade(path, tmp_path / "new.nigiri")


def test_equal_contents_make_equal_files(path, tmp_path):
    bundle.save(tmp_path / "again.nigiri", bundle.load(path).network, get_config("tiny"), {"seed": 0})
    assert (tmp_path / "again.nigiri").read_bytes() == path.read_bytes()


def test_demo_is_what_the_compiler_makes_now():
    """The shipped programs are those that this compiler would write."""
    demo = bundle.load(bundle.demo_path())
    assert same(demo.compiled(), compile_network(demo.network, get_config(demo.config_name)))


def test_demo():
    demo = bundle.load(bundle.demo_path())
    images, labels = bundle.demo_images()
    assert len(demo.subnets) >= 7 and demo.subnets[0].name == "min" and demo.subnets[-1].name == "max"
    assert [s.macs for s in demo.subnets] == sorted(s.macs for s in demo.subnets)
    assert images.shape == (512, 32, 32, 3) and images.dtype == np.uint8
    counts = np.bincount(labels, minlength=10)
    assert len(labels) == 512 and set(counts) == {51, 52}
    assert bundle.demo_path().stat().st_size + (bundle.DATA / "cifar512.npz").stat().st_size <= 4 << 20
    assert all(s.accuracy_float - s.accuracy_int8 <= 1.0 for s in demo.subnets)


def test_missing(tmp_path):
    with pytest.raises(BundleMissingError, match=r"^there is no bundle at .*/none: check the path, or export one$"):
        bundle.load(tmp_path / "none")


@pytest.mark.parametrize("raw", [b"", b"hello", bytes(5000)])
def test_not_a_bundle(tmp_path, raw):
    (tmp_path / "x").write_bytes(raw)
    with pytest.raises(BundleCorruptError, match=r"^.*/x is not a Nigiri bundle, or it is truncated \(.*\)$"):
        bundle.load(tmp_path / "x")


def test_truncated(path):
    raw = path.read_bytes()
    for size in range(0, len(raw), 1000):
        path.write_bytes(raw[:size])
        with pytest.raises(BundleCorruptError, match=r"^.*toy\.nigiri is not a Nigiri bundle, or it is truncated"):
            bundle.load(path)


def test_any_damaged_byte_is_noticed_or_harmless(path):
    """Flip bytes all over the file: the bundle is refused with a BundleError, or means the same."""
    raw, before = path.read_bytes(), bundle.load(path).compiled()
    refused = 0
    for at in range(0, len(raw), 97):
        damaged = bytearray(raw)
        damaged[at] ^= 0x55
        path.write_bytes(damaged)
        try:
            assert same(bundle.load(path).compiled(), before)
        except BundleError:
            refused += 1
    assert refused > 0.9 * len(raw) / 97


def test_damaged_member(path):
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as z:
        raw[z.getinfo("tensors.safetensors").header_offset + 200] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(BundleCorruptError, match=r"^member tensors\.safetensors of .*toy\.nigiri is damaged \(.*\): "
                       r"copy or export the bundle again$"):
        bundle.load(path)


@pytest.mark.parametrize("name", ["manifest.json", "tensors.safetensors"])
def test_member_left_out(path, name):
    rewrite(path, **{name.replace(".", "__"): None})
    with pytest.raises(BundleCorruptError, match=rf"^.*toy\.nigiri has no member {re.escape(name)}: it is not a Nigiri "
                       "bundle, "
                       r"or it is damaged$"):
        bundle.load(path)


def tensors(path, change, checked=True):
    """Change the tensors of a bundle; `checked`: with the checksum of the member made right again."""
    arrays = safetensors.parse(members(path)["tensors.safetensors"])
    change(arrays)
    raw = safetensors.dump(arrays)
    rewrite(path, tensors__safetensors=raw)
    if checked:
        manifest(path, lambda m: m["members"]["tensors.safetensors"].update(sha256=hashlib.sha256(raw).hexdigest()))


def flip(arrays):
    arrays["weights"][-1, -1] ^= 1


def test_checksum_names_the_member(path):
    tensors(path, flip, checked=False)
    with pytest.raises(BundleChecksumError, match=r"^member tensors\.safetensors of .*toy\.nigiri has checksum "
                       r"[0-9a-f]{16}\.\.\., the "
                       r"manifest says [0-9a-f]{16}\.\.\.: copy or export the bundle again$"):
        bundle.load(path)


def test_checksum_names_the_tensor(path):
    tensors(path, flip)
    with pytest.raises(BundleChecksumError, match=r"^tensor weights of .*toy\.nigiri has checksum "
                       r"[0-9a-f]{16}\.\.\., the manifest says [0-9a-f]{16}\.\.\.: copy or export the bundle again$"):
        bundle.load(path)


def test_checksums_are_those_of_the_tensors(path):
    loaded = bundle.load(path)
    weights = loaded.network.weights
    assert loaded.checksums["tensors.safetensors:weights"] == hashlib.sha256(weights.tobytes()).hexdigest()
    assert set(loaded.checksums) == {"tensors.safetensors"} | {
        f"tensors.safetensors:{n}" for n in ("weights", "constants", "input_table", "programs")}


@pytest.mark.parametrize("version", [4, 0, None, "3"])
def test_format_version(path, version):
    manifest(path, lambda m: m.update(version=version))
    with pytest.raises(BundleFormatError, match=rf"^.*toy\.nigiri is in bundle format version {version}, this software "
                       r"reads version 3: export it again, or install a newer Nigiri$"):
        bundle.load(path)


@pytest.mark.parametrize("data,message", [
    (b"\xff", r"is not JSON: copy or export the bundle again"),
    (b"[1]", r"does not say format 'nigiri-bundle': it is not a Nigiri bundle"),
    (b'{"format": "zip"}', r"does not say format 'nigiri-bundle': it is not a Nigiri bundle"),
    (b'{"format": "nigiri-bundle", "version": 3}', r"has no list of members: copy or export the bundle again"),
    (b'{"format": "nigiri-bundle", "version": 3, "members": {"a": 1}}',
     r"has no list of members: copy or export the bundle again"),
    (b'{"format": "nigiri-bundle", "version": 3, "members": {}}',
     r"does not list tensors\.safetensors: copy or export the bundle again")])
def test_manifest(path, data, message):
    rewrite(path, manifest__json=data)
    with pytest.raises(BundleCorruptError, match=rf"^member manifest\.json of .*toy\.nigiri {message}$"):
        bundle.load(path)


@pytest.mark.parametrize("change", [lambda m: m.pop("tensors"), lambda m: m["tensors"].pop("weights")])
def test_list_of_tensors(path, change):
    manifest(path, change)
    with pytest.raises(BundleCorruptError, match=r"^member manifest\.json of .*toy\.nigiri has no list of tensors: "
                       r"copy or export the bundle again$"):
        bundle.load(path)


def test_tensor_left_out(path):
    tensors(path, lambda arrays: arrays.pop("programs"))
    with pytest.raises(BundleCorruptError, match=r"^.*toy\.nigiri does not describe a sound network \('programs' is "
                       r"missing\): export the bundle again$"):
        bundle.load(path)


def test_deep_manifest(path):
    rewrite(path, manifest__json=b"[" * 100_000)
    with pytest.raises(BundleCorruptError, match=r"^member manifest\.json of .*toy\.nigiri is not JSON"):
        bundle.load(path)


@pytest.mark.parametrize("change,message", [
    (lambda m: m.pop("network"), r"'network' is missing"),
    (lambda m: m["network"].pop("layers"), r"'layers' is missing"),
    (lambda m: m["network"]["subnets"][0]["layers"][0].update(cin=4), r"SubNet min: layer stem: 4 -> 16 channels, .*"),
    (lambda m: m["network"]["subnets"][0]["layers"][0].update(params=10**6),
     r"layer stem: its constants lie outside tensor constants"),
    (lambda m: m["network"].update(channels=4), r"tensor input_table must be int8 \[4, 256\]"),
    (lambda m: m.update(facts=3), r".*"),
    (lambda m: m.update(config="tiny"), r".*")])
def test_unsound_network(path, change, message):
    manifest(path, change)
    with pytest.raises(BundleCorruptError, match=rf"^.*toy\.nigiri does not describe a sound network \({message}\): "
                       r"export the bundle again$"):
        bundle.load(path)


def test_unsound_programs(path):
    manifest(path, lambda m: m["compiled"].pop("inputs"))
    with pytest.raises(BundleCorruptError, match=r"^the bundle's programs are not sound \('inputs'\): export the "
                       "bundle again$"):
        bundle.load(path).compiled()


def _npy(array):
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


@pytest.mark.parametrize("raw,message", [
    (b"hello", r"it is too short"),
    (b"\xff" * 20, r"its header is larger than the file, or than any that is needed"),
    (b"\2" + bytes(7) + b"{}extra", r"its header does not agree with its contents")])
def test_tensors_are_safetensors(path, raw, message):
    rewrite(path, tensors__safetensors=raw)
    manifest(path, lambda m: m["members"]["tensors.safetensors"].update(sha256=hashlib.sha256(raw).hexdigest()))
    with pytest.raises(BundleCorruptError, match=rf"^member tensors\.safetensors of .*toy\.nigiri is not a safetensors "
                       rf"file \({message}\): export the bundle again$"):
        bundle.load(path)


@pytest.mark.parametrize("raw,message", [
    (b"hello", r".*"),
    (_npy(np.array([{}], dtype=object)), r"its header does not agree with its contents"),
    (_npy(np.zeros((3, 4), order="F")), r"its header does not agree with its contents"),
    (_npy(np.zeros(4))[:-1], r"its header does not agree with its contents")])
def test_arrays_of_old_bundles_are_plain(path, tmp_path, raw, message):
    old_format(path, 2)
    rewrite(path, weights__npy=raw)
    manifest(path, lambda m: m["members"]["weights.npy"].update(sha256=hashlib.sha256(raw).hexdigest()))
    with pytest.raises(BundleCorruptError, match=rf"^member weights\.npy is not an array \({message}\): export the "
                       "bundle again$"):
        upgrade.upgrade(path, tmp_path / "new.nigiri")


def test_size_limit(path, monkeypatch):
    monkeypatch.setattr(archive, "MEMBER_LIMIT", 1000)
    with pytest.raises(BundleSizeError, match=r"^member tensors\.safetensors of .*toy\.nigiri is larger than 1000 "
                       r"bytes: it is not a Nigiri bundle$"):
        bundle.load(path)


def test_configuration(path):
    loaded = bundle.load(path)
    with pytest.raises(BundleConfigError, match=r"^the bundle's programs are for configuration 'tiny' \(digest "
                       r"0x[0-9a-f]{8}\), "
                       r"'kv260' here has digest 0x[0-9a-f]{8}: compile it again with compiled\(config\)$"):
        loaded.compiled(get_config("kv260"), recompile=False)
    with pytest.raises(BundleConfigError, match=r"^the bundle's programs are for configuration 'mine' \(digest "
                       r"0x[0-9a-f]{8}\), the "
                       r"name is unknown here: compile it again with compiled\(config\)$"):
        replace(loaded, config_name="mine").compiled()
    with pytest.raises(BundleConfigError, match=r"^the bundle's programs are for configuration 'tiny' \(digest "
                       r"0x00000007\), 'tiny' "
                       r"here has digest 0x[0-9a-f]{8}: compile it again with compiled\(config\)$"):
        replace(loaded, config_digest=7).compiled()
    assert replace(loaded, config_digest=7).compiled(get_config("tiny")).programs
