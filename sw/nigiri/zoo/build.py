"""Names of networks to :class:`nigiri.compiler.graph.Network` objects."""
from __future__ import annotations

from functools import lru_cache

import numpy as np

from nigiri.compiler.graph import Layer, Network, SubNet, SubNetInfo, SuperLayer
from nigiri.zoo.calibrate import FOLD, INPUT_ZP, calibrate, input_table
from nigiri.zoo.errors import UnknownNetwork
from nigiri.zoo.image import weight_image
from nigiri.zoo.mobilenet import MobileNetV3
from nigiri.zoo.pictures import pictures
from nigiri.zoo.plan import Act, Choice, Family, Step
from nigiri.zoo.resnet import ResNet50

__all__ = ["FAMILIES", "assemble", "calibrated", "cost", "load", "names", "parse", "subnet_info"]

FAMILIES: dict[str, Family] = {f.name: f for f in (
    ResNet50(), MobileNetV3("ofa_mbv3_w10", 1.0, 160), MobileNetV3("ofa_mbv3_w12", 1.2, 160))}

IMAGES = 4
"""Pictures that a SubNet is calibrated on."""
LARGEST = 224


def names() -> tuple[str, ...]:
    """Every name that :func:`load` takes: each SuperNet, and each of its SubNets as "supernet:subnet"."""
    return tuple(n for f in FAMILIES.values() for n in (f.name, *(f"{f.name}:{c}" for c in f.choices)))


def parse(name: str) -> tuple[Family, tuple[str, ...]]:
    """(family, SubNets) of a name.

    Raises
    ------
    UnknownNetwork: lists what exists.
    """
    network, _, subnet = name.partition(":")
    family = FAMILIES.get(network)
    if family is None:
        raise UnknownNetwork(f"unknown network {network!r}: choose one of {', '.join(FAMILIES)}")
    if ":" in name and subnet not in family.choices:
        raise UnknownNetwork(f"unknown SubNet {subnet!r} of {network}: choose one of {', '.join(family.choices)}")
    return family, (subnet,) if subnet else tuple(family.choices)


def cost(layers: tuple[SuperLayer, ...], steps: list[Step]) -> tuple[int, int, int]:
    """(multiply-accumulates, weight bytes in whole words, int8 weights) of one image.

    Convolutions and fully connected layers count, the classifier and those of squeeze-and-excite included; pools, the
    channel scale and padded channels do not.
    """
    by_name = {s.name: s for s in layers}
    macs = words = weights = 0
    for x in steps:
        if x.act is Act.NONE:
            continue
        s = by_name[x.weights]
        own = x.cout * (1 if s.depthwise else x.cin) * x.kernel ** 2
        macs += own * (-(-x.side // s.stride)) ** 2
        weights += own
        words += -(-x.cout // 8) * (x.kernel if s.depthwise else -(-x.cin // 8) * x.kernel ** 2)
    return macs, 64 * words, weights


def subnet_info(family: Family, name: str, choice: Choice) -> SubNetInfo:
    """What a scheduler knows about a SubNet; the weights are random, so that the accuracies are 0."""
    macs, weight_bytes, weights = cost(family.layers(), family.steps(choice))
    return SubNetInfo(name=name, macs=macs, weight_bytes=weight_bytes, accuracy_int8=0.0, accuracy_float=0.0,
                      config=choice.facts() | {"weights": weights})


@lru_cache(maxsize=2)
def _image(family: str, seed: int) -> np.ndarray:
    return weight_image(family, FAMILIES[family].layers(), seed)


def calibrated(family: Family, choice: Choice, seed: int) -> tuple[Layer, ...]:
    """The layers of one SubNet with their constants: seconds of work."""
    return calibrate(family.name, seed, family.layers(), _image(family.name, seed), family.steps(choice),
                     pictures(IMAGES, choice.side, seed))


def assemble(family: Family, subnets: dict[str, tuple[Choice, tuple[Layer, ...]]], seed: int) -> Network:
    """The network of calibrated SubNets; it has the SuperNet's whole weight image, whichever they are."""
    network = Network(
        name=family.name, height=LARGEST, width=LARGEST, channels=3, classes=1000, input_table=input_table(),
        input_zp=INPUT_ZP, layers=family.layers(), weights=_image(family.name, seed), fold=FOLD,
        subnets=tuple(SubNet(info=subnet_info(family, name, choice), layers=layers, height=choice.side,
                             width=choice.side) for name, (choice, layers) in subnets.items()))
    network.check()
    return network


def load(name: str, seed: int = 0) -> Network:
    """A SuperNet with all its SubNets, or with the one after the colon; `seed` decides weights and calibration.

    Raises
    ------
    UnknownNetwork: lists what exists.
    """
    family, chosen = parse(name)
    return assemble(family, {n: (family.choices[n], calibrated(family, family.choices[n], seed)) for n in chosen}, seed)
