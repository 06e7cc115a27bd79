"""SuperNets whose fragments are planned, with SubNets that differ in their last stages only."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from nigiri import bundle
from nigiri.compiler.graph import Network
from nigiri.graft.profile import Profile, compiled, layer_ends, profile_of
from nigiri.runtime.errors import BadArgument
from nigiri.search.cost import blank
from nigiri.spec import get_config
from nigiri.spec.memory import default_memory
from nigiri.zoo.build import FAMILIES
from nigiri.zoo.plan import Choice

__all__ = ["WORKLOADS", "Workload", "networks", "own_times", "profiles", "workload_of"]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """server: configuration of the server's devices.  client: of the clients', with its clock."""

    name: str
    server: str
    client: str


WORKLOADS = (Workload(name="ofa_mbv3_w10", server="kv260", client="pynq_z2@10"),
             Workload(name="ofa_mbv3_w12", server="zcu104", client="pynq_z2@10"),
             Workload(name="cifar", server="pynq_z2", client="pynq_z2@1"),
             Workload(name="ofa_resnet50", server="zcu104", client="pynq_z2@25"))


def _late(family: str) -> dict[str, Choice]:
    """Four SubNets that are equal up to their last two stages."""
    base = FAMILIES[family]
    small = min(base.choices.values(), key=lambda c: (c.side, sum(c.depth), sum(c.expand)))
    big = max(base.choices.values(), key=lambda c: (sum(c.depth), sum(c.expand)))
    stages = len(small.depth)
    per = len(small.expand) // (stages if family.startswith("ofa_mbv3") else 1)
    out = {"a": small}
    for n, name in enumerate(("b", "c", "d")):
        deep = tuple(b if k >= stages - 1 - (n > 0) else s
                     for k, (s, b) in enumerate(zip(small.depth, big.depth, strict=True)))
        out[name] = _widened(family, small, big, deep, per, stages, wide=n != 1)
    return out


def _widened(family: str, small: Choice, big: Choice, depth: tuple[int, ...], per: int, stages: int,
             wide: bool) -> Choice:
    """`small` with `depth`; blocks that it gains are as those of `big`, or with the smallest expansion."""
    if family.startswith("ofa_mbv3"):
        used = [bool(k % per < depth[k // per]) for k in range(len(small.expand))]
        grown = [k // per >= stages - 2 and depth[k // per] != small.depth[k // per] for k in range(len(used))]
        expand = tuple((big.expand[k] if grown[k] and wide else small.expand[k] or 3) if on else 0
                       for k, on in enumerate(used))
        kernel = tuple((small.kernel[k] or 3) if on else 0 for k, on in enumerate(used))
        return replace(small, depth=depth, expand=expand, kernel=kernel)
    from nigiri.zoo.resnet import MOST

    expand_r, k = [], 0
    for n, most in enumerate(MOST):
        for b in range(most):
            on = b < most - 2 + depth[n + 1]
            late = depth[n + 1] != small.depth[n + 1]
            least = min(e for e in small.expand if e)
            expand_r.append((0.35 if late and wide else small.expand[k] or least) if on else 0)
            k += 1
    return replace(small, depth=depth, expand=tuple(expand_r))


def workload_of(name: str) -> Workload:
    """The workload called `name`; BadArgument lists those that exist."""
    for w in WORKLOADS:
        if w.name == name:
            return w
    raise BadArgument(f"unknown network {name!r}: choose one of {', '.join(w.name for w in WORKLOADS)}")


def networks(workload: Workload) -> dict[str, Network]:
    """Every SubNet as the only one of a network."""
    if workload.name != "cifar":
        family = FAMILIES[workload.name]
        return {name: blank(family, choice) for name, choice in _late(workload.name).items()}
    network = bundle.load(bundle.demo_path()).network
    chosen = network.subnets[:: max(1, len(network.subnets) // 4)][:4]
    return {s.info.name: replace(network, subnets=(s,)) for s in chosen}


def profiles(workload: Workload, found: Mapping[str, Network], sizes: Sequence[int] = (1, 4),
             say: Callable[[str], None] = lambda text: None) -> tuple[Profile, Profile]:
    """(nothing cached, with the SubGraph cached that all SubNets share) on the server's device."""
    config = get_config(workload.server)
    memory = default_memory(config)
    say(f"{workload.name}: profile of {', '.join(found)} on {workload.server}")
    plain = profile_of(workload.name, found, config, memory, sizes=sizes)
    return plain, profile_of(workload.name, found, config, memory, resident=shared_boxes(workload, found), sizes=sizes)


def shared_boxes(workload: Workload, found: Mapping[str, Network]) -> dict[int, tuple[int, int, int]]:
    """The SubGraph that all SubNets share, as far as it fits: what saves most of the smallest SubNet's cycles first."""
    from nigiri.cycles.best import best_subgraph

    config = get_config(workload.server)
    boxes = []
    for network in found.values():
        boxes.append(compiled(network, config, 1).subnet_boxes(network.subnets[0].info.name))
    smallest = min(found.values(), key=lambda n: n.subnets[0].info.macs)
    best = best_subgraph(compiled(smallest, config, 1), smallest.subnets[0].info.name, default_memory(config))
    out = {}
    for layer, box in best.items():
        every = [b.get(layer) for b in boxes]
        if all(every):
            cut = [min(sizes) for sizes in zip(box, *(b for b in every if b), strict=True)]
            out[layer] = (cut[0], cut[1], cut[2])
    return out


def own_times(workload: Workload, found: Mapping[str, Network]) -> dict[str, list[float]]:
    """By SubNet, each layer on a client's device, ms: by the cycle model, at the client's clock."""
    name, _, clock = workload.client.partition("@")
    config = get_config(name)
    slower = config.clock_mhz / float(clock or config.clock_mhz)
    out = {}
    for key, network in found.items():
        ends = layer_ends(network, network.subnets[0].info.name, config, default_memory(config))
        out[key] = [slower * (b - a) for a, b in pairwise(ends)]
    return out
