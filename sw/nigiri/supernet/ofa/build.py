"""The SuperNets of Once-for-All by the names of their released checkpoints."""
from __future__ import annotations

from collections.abc import Callable

from nigiri.supernet.ofa.errors import UnknownSuperNet
from nigiri.supernet.ofa.mobile import OFAMobileNetV3, OFAProxylessNAS
from nigiri.supernet.ofa.net import ElasticNet
from nigiri.supernet.ofa.resnet import OFAResNet50

__all__ = ["names", "ofa_net"]

NETS: dict[str, Callable[[str], ElasticNet]] = {
    "ofa_resnet50": OFAResNet50,
    "ofa_mbv3_d234_e346_k357_w1.0": lambda name: OFAMobileNetV3(name, 1.0),
    "ofa_mbv3_d234_e346_k357_w1.2": lambda name: OFAMobileNetV3(name, 1.2),
    "ofa_proxyless_d234_e346_k357_w1.3": lambda name: OFAProxylessNAS(name, 1.3),
}


def names() -> tuple[str, ...]:
    """The SuperNets there are."""
    return tuple(NETS)


def ofa_net(name: str, seed: int | None = None) -> ElasticNet:
    """The SuperNet `name` in evaluation mode, 1000 classes.  seed: of its random weights (He initialisation); None
    leaves what torch puts there, for a network that is loaded next.  UnknownSuperNet: no such name."""
    if name not in NETS:
        raise UnknownSuperNet(f"there is no SuperNet {name!r}: choose one of {', '.join(NETS)}")
    net = NETS[name](name).eval()
    if seed is not None:
        net.initialise(seed)
    return net
