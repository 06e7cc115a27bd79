"""Published accuracies beside predicted ones.

A predictor says what a SubNet of the SuperNet reaches on images held out from the training set.  Published figures are
on the validation set, which is harder by a few points, and mostly after fine-tuning, which gains some of them back.  So
a constant offset is expected; what counts is the error that is left without it, and the order.
"""
from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nigiri.search.errors import PredictorError
from nigiri.search.predictor import Predictor
from nigiri.zoo.build import FAMILIES
from nigiri.zoo.errors import BadConfiguration
from nigiri.zoo.mobilenet import DEPTH
from nigiri.zoo.plan import Choice
from nigiri.zoo.space import space_of

__all__ = ["RESNET_TOP1", "Published", "compare", "rank_correlation", "read_folder", "read_pairs", "resnets"]

RESNET_TOP1 = {"A": 75.0, "B": 76.3, "C": 78.3, "D": 79.0, "E": 79.7, "F": 79.8}
"""ImageNet top-1, %, of the six SubNets of `ofa_resnet50`, which Once-for-All's table of specialised networks lists by
their multiply-accumulates (0.6, 0.9, 1.8, 2.4, 3.7 and 4.1 billion); A and B after 25 epochs of fine-tuning."""
TOP1 = re.compile(r"top1-(\d+\.\d+)")
MOBILENETS = {16: "ofa_mbv3_w10", 24: "ofa_mbv3_w12"}
"""By channels of the first convolution."""
PAIRS_LIMIT = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Published:
    """A configuration and its published top-1, %.  network: the SuperNet that it was taken from."""

    name: str
    network: str
    choice: Choice
    top1: float


def resnets() -> list[Published]:
    """The ResNet50 SubNets whose configuration and accuracy are both public."""
    choices = FAMILIES["ofa_resnet50"].choices
    return [Published(name=name, network="ofa_resnet50", choice=choices[name], top1=top1)
            for name, top1 in RESNET_TOP1.items()]


def _mobilenet(net: dict[str, Any], side: int) -> tuple[str, Choice]:
    """(SuperNet, configuration) of a network that is written out block by block."""
    blocks = [b["mobile_inverted_conv"] for b in net["blocks"][1:]]
    stages: list[list[dict[str, Any]]] = []
    for b in blocks:
        if not stages or b["out_channels"] != stages[-1][-1]["out_channels"]:
            stages.append([])
        stages[-1].append(b)
    kernel, expand = ([int(b[key]) for s in stages for b in [*s, *[{key: 0}] * (DEPTH - len(s))]]
                      for key in ("kernel_size", "expand_ratio"))
    return MOBILENETS[net["first_conv"]["out_channels"]], Choice(
        side=side, depth=tuple(map(len, stages)), expand=tuple(expand), kernel=tuple(kernel))


def read_folder(folder: Path) -> list[Published]:
    """MobileNetV3s among NAME.net.config.json files with NAME.run.config.json beside them; NAME says the top-1.

    Raises
    ------
    PredictorError: there are none, or one cannot be read.
    """
    out = []
    for path in sorted(folder.glob("*.net.config.json")):
        name = path.name.removesuffix(".net.config.json")
        found = TOP1.search(name)
        try:
            net = json.loads(path.read_text())
            if net["name"] != "MobileNetV3" or not found:
                continue
            side = int(json.loads((folder / f"{name}.run.config.json").read_text())["image_size"])
            network, choice = _mobilenet(net, side)
        except (OSError, ValueError, LookupError, TypeError) as e:
            raise PredictorError(f"{path} and its run.config.json do not describe a MobileNetV3 ({e!r}): give a folder "
                                 f"of Once-for-All's specialised networks") from e
        out.append(Published(name=name, network=network, choice=choice, top1=float(found[1])))
    if not out:
        raise PredictorError(f"{folder} has no MobileNetV3 with its top-1 in the name "
                             f"(NAME_top1-80.0_x.net.config.json): give a folder of Once-for-All's specialised "
                             f"networks")
    return out


def read_pairs(path: Path, network: str) -> list[Published]:
    """Pairs of a JSON object {configuration as JSON text: top-1} for SubNets of `network`.

    Raises
    ------
    PredictorError: it holds no such pairs.
    """
    try:
        if path.stat().st_size > PAIRS_LIMIT:
            raise ValueError("it is too large")
        space, out = space_of(FAMILIES[network]), []
        for n, (text, top1) in enumerate(json.loads(path.read_text()).items()):
            out.append(Published(name=str(n), network=network, choice=space.from_json(json.loads(text)),
                                 top1=float(top1)))
    except OSError as e:
        raise PredictorError(f"there is no file of pairs at {path} ({e.strerror}): check the path") from e
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, BadConfiguration) as e:
        raise PredictorError(f"{path} has no pairs of a configuration and a top-1 ({e})") from e
    return out


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0; equal values share their mean."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[which]


def rank_correlation(a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray) -> float:
    """Spearman's: 1 when both order alike; 0 when one of them does not order at all."""
    x, y = _ranks(np.asarray(a)), _ranks(np.asarray(b))
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / size if size else 0.0


def compare(predictor: Predictor, published: Sequence[Published]) -> dict[str, Any]:
    """Errors of the predictor in points of top-1: mean absolute ones as they are and without the mean offset."""
    predicted = predictor.predict([p.choice for p in published])
    top1 = np.array([p.top1 for p in published])
    error = predicted - top1
    return {"configurations": len(published), "mean_abs_error": float(np.abs(error).mean()),
            "mean_offset": float(error.mean()),
            "mean_abs_error_without_offset": float(np.abs(error - error.mean()).mean()),
            "rank_correlation": rank_correlation(predicted, top1),
            "rows": [{"name": p.name, "network": p.network, "side": p.choice.side, "published": p.top1,
                      "predicted": float(x)} for p, x in zip(published, predicted, strict=True)]}
