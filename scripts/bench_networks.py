"""Measures the ImageNet-size networks on the simulated RTL, every layer compared with the golden model.

Writes docs/results/networks/NETWORK_SUBNET-CONFIG-CACHE.json, leaves out what is there already (so it goes on where it
was stopped), then docs/results/sushi_accel_rtl.json, and takes hours for all of it: `make bench-networks`, or with the
words that the names must contain, for example `scripts/bench_networks.py sushi_zcu104 none`.
"""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from bench import NIGIRI
from results import FOLDER

NETWORKS = FOLDER / "networks"
RESNETS = tuple(f"ofa_resnet50:{n}" for n in "ABCDEF")
SGS = ("zcu104@200", "zcu104@300", "sushi_u50")
MOBILENETS = tuple(f"ofa_mbv3_w10:{n}" for n in ("min", "mid", "max"))


def rows() -> list[tuple[str, str, str]]:
    """(network, configuration, cache), the quick ones first."""
    out = [(n, "kv260", "none") for n in MOBILENETS]
    for config in ("sushi_zcu104", "zcu104"):
        out += [(n, config, cache) for n in MOBILENETS for cache in ("none", "best")]
        out += [(n, config, "none") for n in RESNETS]
        out += [(n, config, "best") for n in RESNETS if n[-1] in "ACF"]
    return out


def main() -> None:
    NETWORKS.mkdir(parents=True, exist_ok=True)
    for network, config, cache in rows():
        name = f"{network.replace(':', '_')}-{config}-{cache}"
        path = NETWORKS / f"{name}.json"
        if path.exists() or not all(word in name for word in sys.argv[1:]):
            continue
        command = [str(NIGIRI), "bench", "network", network, "--config", config, "--cache", cache, "--json"]
        print(" ".join(command[1:]), file=sys.stderr, flush=True)
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        path.write_text(done.stdout)
    if not sys.argv[1:]:
        reproduce()


def reproduce() -> None:
    """The published experiments; single measurements are kept in build/sushi_accel.jsonl."""
    command = [str(NIGIRI), "reproduce", "sushi-accel", "--device", "rtl", "--json",
               "--store", "build/sushi_accel.jsonl"]
    for config in SGS:
        command += ["--config", config]
    print(" ".join(command[1:]), file=sys.stderr, flush=True)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=FOLDER.parents[1])
    (FOLDER / "sushi_accel_rtl.json").write_text(done.stdout)


if __name__ == "__main__":
    main()
