"""SubNets of a SuperNet in a JSON file, as `nigiri pareto` writes them or as a user does.

{"network": "ofa_mbv3_w12", "subnets": [{"name": "f00", "config": {"d": [...], "e": [...], "ks": [...], "r": 224}}]};
whatever else is in the file is left alone.
"""
from __future__ import annotations

import json
from pathlib import Path

from nigiri.compiler.graph import Network
from nigiri.zoo.build import FAMILIES
from nigiri.zoo.cache import cached_subnets
from nigiri.zoo.errors import BadConfiguration, UnknownNetwork
from nigiri.zoo.plan import Choice, Family
from nigiri.zoo.space import space_of

__all__ = ["LIMIT", "load_file", "read_subnets"]

LIMIT = 16 << 20
"""Largest file, bytes."""


def read_subnets(path: Path) -> tuple[Family, dict[str, Choice]]:
    """(SuperNet, SubNets by name) in a file.

    Raises
    ------
    BadConfiguration: there is no such file, it is too large or no such JSON, or a configuration is not of the SuperNet.
    UnknownNetwork: no SuperNet of that name.
    """
    try:
        raw = path.read_bytes() if path.stat().st_size <= LIMIT else None
    except OSError as e:
        raise BadConfiguration(f"there is no file of SubNets at {path} ({e.strerror}): check the path, or write one "
                               f"with nigiri pareto") from e
    if raw is None:
        raise BadConfiguration(f"{path} is larger than {LIMIT} bytes: it is no file of SubNets")
    try:
        data = json.loads(raw)
        network, entries = data["network"], data["subnets"]
        named = [(str(x["name"]), x["config"]) for x in entries]
    except (ValueError, RecursionError, LookupError, TypeError) as e:
        raise BadConfiguration(f"{path} has no \"network\" and \"subnets\" with \"name\" and \"config\": give a file "
                               f"that nigiri pareto wrote") from e
    if not isinstance(network, str) or network not in FAMILIES:
        raise UnknownNetwork(f"{path} is for an unknown network {network!r}: choose one of {', '.join(FAMILIES)}")
    names = [name for name, _ in named]
    if not names or len(set(names)) < len(names) or any(":" in n or "/" in n or not n for n in names):
        raise BadConfiguration(f"{path} must name at least one SubNet, and each differently, without : and /")
    space = space_of(FAMILIES[network])
    out = {}
    for name, config in named:
        try:
            out[name] = space.from_json(config)
        except BadConfiguration as e:
            raise BadConfiguration(f"{path}, SubNet {name}: {e}") from None
    return FAMILIES[network], out


def load_file(path: Path, subnet: str, seed: int = 0) -> Network:
    """The SuperNet with one SubNet of the file, calibrated once and kept.

    Raises
    ------
    BadConfiguration, UnknownNetwork: see :func:`read_subnets`; or the file has no such SubNet.
    """
    family, choices = read_subnets(path)
    if subnet not in choices:
        raise UnknownNetwork(f"{path} has no SubNet {subnet!r}: choose one of {', '.join(choices)}")
    return cached_subnets(family, {subnet: choices[subnet]}, seed)
