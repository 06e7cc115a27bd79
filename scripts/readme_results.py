"""Fills the measured results in README.md from docs/results; `--check` only says whether they are current."""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from results import FOLDER, tables

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- results: written by scripts/readme_results.py -->", "<!-- end of results -->"
TITLES = {
    "demo": "One query stream with changing accuracy and latency targets, served three times on the simulated RTL "
            "(`nigiri demo`):",
    "serving": "Published serving experiments, here, by the cycle model (`nigiri reproduce sushi-end-to-end`, "
               "`superserve` on eight simulated `zcu104`, `hybridserve` on `pynq_z2` with real logits; conditions and "
               "all rows: [experiments](docs/experiments.md)):",
    "service": "The network service, measured (`scripts/bench_service.py`; [serving](docs/serving.md)):",
    "bench": "One inference on the simulated RTL (`nigiri bench network`):",
    "networks": "Whole ImageNet-size networks on the simulated RTL, random weights (`nigiri bench network`):",
    "published": "Against the published SushiAccel, at its 1,296 MAC units and 100 MHz (`nigiri reproduce "
                 "sushi-accel`):",
    "sgs": "What SubGraph Stationary saves, against the same on-chip memory without a persistent buffer (`nigiri "
           "reproduce sushi-accel`):",
    "resources": "What the boards' configurations take of their parts, synthesised with Yosys (`nigiri bench "
                 "resources`; [boards](docs/howto/board.md)):",
    "subnets": "The SubNets of the shipped CIFAR-10 SuperNet, all from the same weight bytes; accuracy on the 10,000 "
               "test images of CIFAR-10 (JPEG) (`nigiri info`):",
}


def block(folder: Path = FOLDER) -> str:
    """The text between the markers."""
    have = tables(folder)
    parts = [f"{title}\n\n{have[name]}" for name, title in TITLES.items() if name in have]
    return "\n".join(parts) or "`make bench` measures them and writes them here.\n"


def filled(text: str, folder: Path = FOLDER) -> str:
    """`text` with the block between the markers replaced."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{block(folder)}\n{END}{rest.split(END)[1]}"


def main() -> int:
    old = README.read_text()
    new = filled(old)
    if "--check" in sys.argv[1:]:
        if old != new:
            print("README.md does not show the results of docs/results: run scripts/readme_results.py", file=sys.stderr)
        return int(old != new)
    if old != new:
        README.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
