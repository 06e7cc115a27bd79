"""The SuperNets of Once-for-All against the PyPI package `ofa`: names, shapes, logits and batch-norm statistics."""
import json
import random
import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs torch (extra train)")
import ofa_equivalence  # noqa: E402
import ofa_package  # noqa: E402

from nigiri.supernet.ofa import to_ofa  # noqa: E402

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.usefixtures("one_thread")
needs_ofa = pytest.mark.skipif(not ofa_package.available(),
                               reason="needs pip install --no-deps ofa==0.1.0.post202307202001")
RESULT = ROOT / "docs" / "results" / "ofa_equivalence.json"
MOBILE = ofa_equivalence.NETWORKS[1]


@needs_ofa
@pytest.mark.parametrize("name", ofa_equivalence.NETWORKS)
def test_tensors_and_the_logits_of_20_random_subnets(name):
    """The comparison ends with an error when keys or shapes differ."""
    rows = ofa_equivalence.differences(name, seed=11)
    assert len(rows) == 20 and len({r["config"] for r in rows}) == 20
    for r in rows:
        assert r["difference"] <= 1e-4 and r["largest_logit"] > 0.1, f"seed 11: {r}"


@needs_ofa
def test_plain_centre_crop(monkeypatch):
    ours, theirs = ofa_equivalence.random_net(MOBILE, 3), ofa_package.network(MOBILE)
    theirs.load_state_dict(ours.state_dict())
    small = ours.space.uniform(kernel=3)
    theirs.set_active_subnet(**to_ofa(ours.space, small))
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        transformed = ours(x, small)
        ours.kernel_transform = False
        plain = ours(x, small)
        monkeypatch.setattr(type(theirs.blocks[1].conv.depth_conv.conv), "KERNEL_TRANSFORM_MODE", None)
        torch.testing.assert_close(plain, theirs(x), atol=1e-4, rtol=0)
    assert (plain - transformed).abs().max() > 1e-2


@needs_ofa
@pytest.mark.parametrize("name", [n for n in ofa_equivalence.NETWORKS if not n.endswith("1.2")])
def test_recalibration_equals_that_of_the_package(name):
    # In double precision: a channel that hardly varies over these few pixels amplifies rounding errors.
    ours, theirs = ofa_equivalence.random_net(name, 5).double(), ofa_package.network(name).double()
    theirs.load_state_dict(ours.state_dict())
    g = torch.Generator().manual_seed(5)
    config = ours.space.sample(random.Random(5))
    images, x = torch.randn(5, 3, 64, 64, generator=g).double(), torch.randn(1, 3, 64, 64, generator=g).double()
    theirs.set_active_subnet(**to_ofa(ours.space, config))
    ofa_package.set_running_statistics(theirs, images, batch=2)     # the last batch is smaller
    stats = ours.recalibrate(config, images, batch=2)
    with torch.no_grad():
        torch.testing.assert_close(ours(x, config, stats), theirs(x), atol=1e-8, rtol=0)
        assert (ours(x, config) - theirs(x)).abs().max() > 1e-3


def test_sizes_of_the_subnets_a_to_f():
    assert ofa_equivalence.sizes() == pytest.approx(ofa_equivalence.SUSHI_MIB, rel=1e-3)


def test_the_stored_result_holds_what_it_must_show():
    result = json.loads(RESULT.read_text())
    assert tuple(result["networks"]) == ofa_equivalence.NETWORKS
    for row in result["networks"].values():
        assert len(row["differences"]) == 20 and row["worst"] <= result["limit"] == 1e-4
    for row in result["sizes_mib"].values():
        assert row["measured"] == pytest.approx(row["published"], rel=1e-3)
    assert {n: r["measured"] for n, r in result["sizes_mib"].items()} == pytest.approx(ofa_equivalence.sizes())
    assert "| `F` | 27.469 | 27.47 |" in ofa_equivalence.report(result)


@needs_ofa
def test_other_tensors_end_the_comparison(monkeypatch):
    network = ofa_package.network
    monkeypatch.setattr(ofa_package, "network", lambda name: network(MOBILE.replace("1.0", "1.2")))
    with pytest.raises(SystemExit, match=f"^{re.escape(MOBILE)}: other keys or shapes: "):
        ofa_equivalence.differences(MOBILE, seed=1)


def test_the_script_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(ofa_package, "available", lambda: False)
    monkeypatch.setattr("sys.argv", ["ofa_equivalence.py"])
    assert ofa_equivalence.main() == 2
    assert capsys.readouterr().err == (
        "the package ofa is not installed: run pip install --no-deps ofa==0.1.0.post202307202001\n")
