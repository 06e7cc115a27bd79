"""The PyPI package `ofa`, the independent reference of the elastic networks, made importable.

It is imported through two stand-ins for what its modules name on import and its networks never use: `torchvision`
(transforms and data sets; its releases pin other versions of torch) and `torch._six` (gone from torch 2).  Everything
that the networks compute is the package's own code on the real torch.
"""
from __future__ import annotations

import importlib.util
import sys
import warnings
from types import ModuleType
from typing import Any

import torch

__all__ = ["available", "load", "network", "set_running_statistics"]

NETWORKS = "ofa.imagenet_classification.elastic_nn.networks"


def available() -> bool:
    """Whether `pip install --no-deps ofa==0.1.0.post202307202001` has been done."""
    return importlib.util.find_spec("ofa") is not None


def _module(name: str, **content: Any) -> ModuleType:
    module = ModuleType(name)
    module.__dict__.update(content)
    return module


def _stand_ins() -> dict[str, ModuleType]:
    functional = _module("torchvision.transforms.functional")
    transforms = _module("torchvision.transforms", functional=functional, RandomResizedCrop=object)
    datasets = _module("torchvision.datasets")
    return {"torchvision": _module("torchvision", transforms=transforms, datasets=datasets),
            "torchvision.transforms": transforms, "torchvision.transforms.functional": functional,
            "torchvision.datasets": datasets, "torch._six": _module("torch._six", string_classes=(str, bytes))}


def load(name: str) -> ModuleType:
    """A module of the package; the stand-ins are gone again when it is imported."""
    made = _stand_ins()
    before = {key: sys.modules.get(key) for key in made}
    sys.modules.update(made)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")         # the package was written for Python 3.6 and torch 1
            return importlib.import_module(name)
    finally:
        for key, old in before.items():
            if old is None:
                del sys.modules[key]
            else:
                sys.modules[key] = old


def network(name: str) -> torch.nn.Module:
    """The package's own SuperNet, made as its model zoo makes it, in evaluation mode."""
    nets = load(NETWORKS)
    if name == "ofa_resnet50":
        net = nets.OFAResNets(dropout_rate=0, depth_list=[0, 1, 2], expand_ratio_list=[0.2, 0.25, 0.35],
                              width_mult_list=[0.65, 0.8, 1.0])
    else:
        kind = nets.OFAMobileNetV3 if "mbv3" in name else nets.OFAProxylessNASNets
        net = kind(dropout_rate=0, width_mult=float(name.rsplit("_w", 1)[1]), ks_list=[3, 5, 7],
                   expand_ratio_list=[3, 4, 6], depth_list=[2, 3, 4])
    return net.eval()


def set_running_statistics(net: torch.nn.Module, images: torch.Tensor, batch: int) -> None:
    """The package's batch-norm calibration, in place."""
    load("ofa.imagenet_classification.elastic_nn.utils").set_running_statistics(
        net, [(part, None) for part in images.split(batch)])
