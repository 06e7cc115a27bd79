"""Published accuracies beside predicted ones."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from search_helpers import random_state

from nigiri.search import published
from nigiri.search.errors import PredictorError
from nigiri.search.predictor import from_tensors
from nigiri.search.published import compare, rank_correlation, read_folder, read_pairs, resnets
from nigiri.zoo.build import FAMILIES
from nigiri.zoo.space import space_of

RESULTS = Path(__file__).parents[3] / "docs" / "results"


def write_net(folder, name, choice, first, side, kind="MobileNetV3"):
    """A network written out block by block, as far as it is read."""
    family = FAMILIES["ofa_mbv3_w12" if first == 24 else "ofa_mbv3_w10"]
    blocks = [{"mobile_inverted_conv": {"out_channels": family.widths[0], "kernel_size": 3, "expand_ratio": 1}}]
    for s, depth in enumerate(choice.depth):
        blocks += [{"mobile_inverted_conv": {
            "out_channels": family.widths[1 + s], "kernel_size": choice.kernel[4 * s + b],
            "expand_ratio": choice.expand[4 * s + b]}} for b in range(depth)]
    net = {"name": kind, "first_conv": {"out_channels": first}, "blocks": blocks}
    (folder / f"{name}.net.config.json").write_text(json.dumps(net))
    (folder / f"{name}.run.config.json").write_text(json.dumps({"image_size": side}))


def test_read_folder(tmp_path):
    rng = np.random.default_rng(1)
    choices = [space_of(FAMILIES[n]).random(rng) for n in ("ofa_mbv3_w10", "ofa_mbv3_w12")]
    write_net(tmp_path, "a_top1-75.5_x", choices[0], 16, choices[0].side)
    write_net(tmp_path, "b_top1-79.1_x", choices[1], 24, 236)
    write_net(tmp_path, "c_top1-79.1_x", choices[1], 24, 236, kind="ProxylessNASNets")
    got = read_folder(tmp_path)
    assert [(p.name, p.network, p.top1) for p in got] == [("a_top1-75.5_x", "ofa_mbv3_w10", 75.5),
                                                          ("b_top1-79.1_x", "ofa_mbv3_w12", 79.1)]
    assert got[0].choice == choices[0]
    assert got[1].choice.side == 236 and got[1].choice.kernel == choices[1].kernel


def test_folders_that_are_refused(tmp_path):
    with pytest.raises(PredictorError, match=r"^.* has no MobileNetV3 with its top-1 in the name .*: give a folder of "
                                             r"Once-for-All's specialised networks$"):
        read_folder(tmp_path)
    (tmp_path / "x_top1-70.0.net.config.json").write_text("{}")
    with pytest.raises(PredictorError, match=r"^.*x_top1-70\.0\.net\.config\.json and its run\.config\.json do not "
                                             r"describe a MobileNetV3 \(KeyError\('name'\)\): give a folder of .*$"):
        read_folder(tmp_path)


def test_read_pairs(tmp_path, monkeypatch):
    space, path = space_of(FAMILIES["ofa_mbv3_w10"]), tmp_path / "pairs.json"
    path.write_text(json.dumps({json.dumps(space.to_json(c)): 75.0 + n
                                for n, c in enumerate((space.smallest(), space.largest()))}))
    assert [(p.choice, p.top1) for p in read_pairs(path, "ofa_mbv3_w10")] == [(space.smallest(), 75.0),
                                                                             (space.largest(), 76.0)]
    for text in ("[]", '{"{}": 3}', '{"[": 3}', "x"):
        path.write_text(text)
        with pytest.raises(PredictorError, match=r"^.*pairs\.json has no pairs of a configuration and a top-1 \(.*\)$"):
            read_pairs(path, "ofa_mbv3_w10")
    monkeypatch.setattr(published, "PAIRS_LIMIT", 0)
    with pytest.raises(PredictorError, match=r"^.*pairs\.json has no pairs .* \(it is too large\)$"):
        read_pairs(path, "ofa_mbv3_w10")
    with pytest.raises(PredictorError, match=r"^there is no file of pairs at .*/none \(.*\): check the path$"):
        read_pairs(tmp_path / "none", "ofa_mbv3_w10")


def test_rank_correlation():
    a = [3.0, 1.0, 4.0, 1.5, 5.0]
    assert rank_correlation(a, np.exp(a)) == pytest.approx(1)
    assert rank_correlation(a, [-x for x in a]) == pytest.approx(-1)
    assert rank_correlation([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(1 - 6 * 2 / (4 * 15))    # the textbook formula
    assert rank_correlation([1, 1, 2], [1, 1, 5]) == pytest.approx(1)                             # equal values
    assert rank_correlation([1, 2, 3], [7, 7, 7]) == 0.0


def test_compare():
    rows, got = resnets(), compare(from_tensors(random_state("resnet")), resnets())
    error = np.array([r["predicted"] - r["published"] for r in got["rows"]])
    assert [r["published"] for r in got["rows"]] == [p.top1 for p in rows] == [75.0, 76.3, 78.3, 79.0, 79.7, 79.8]
    assert got["mean_abs_error"] == pytest.approx(np.abs(error).mean())
    assert got["mean_offset"] == pytest.approx(error.mean())
    assert got["mean_abs_error_without_offset"] == pytest.approx(np.abs(error - error.mean()).mean())


def test_published_predictors_are_as_far_off_as_is_known(ofa):
    """Of the SuperNet that it is for, a predictor is off by a constant and little more, and orders SubNets."""
    pytest.importorskip("torch")
    from nigiri.supernet.predictor import read_pth

    mobilenet = from_tensors(read_pth(ofa / "acc_predictor.pth"))
    found = [p for p in read_folder(ofa / "specialized") if p.network == "ofa_mbv3_w12"]
    results = {"mobilenet": ("ofa_mbv3_w12", compare(mobilenet, found)), "resnet": (
        "ofa_resnet50", compare(from_tensors(read_pth(ofa / "ofa_resnet50_acc_predictor.pth")), resnets()))}
    for file, (group, got) in results.items():
        stored = json.loads((RESULTS / f"predictor_{file}.json").read_text())["groups"][group]
        for key in ("mean_abs_error", "mean_offset", "mean_abs_error_without_offset", "rank_correlation"):
            assert got[key] == pytest.approx(stored[key], abs=1e-6)
        assert 3 < got["mean_offset"] < 4 and got["mean_abs_error_without_offset"] < 0.2
        assert got["rank_correlation"] > 0.9
    pairs = compare(mobilenet, read_pairs(ofa / "mbv3_w10_k7_224_top1.json", "ofa_mbv3_w10"))
    assert pairs["configurations"] == 1000 and pairs["rank_correlation"] > 0.9
