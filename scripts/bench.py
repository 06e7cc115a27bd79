"""Measures everything that the README and the results page show, and writes docs/results/*.json."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from results import FOLDER

NIGIRI = Path(sys.executable).parent / "nigiri"
NETWORKS = [(subnet, "pynq_z2", cache) for subnet in ("min", "max") for cache in ("none", "best")]


def nigiri(*arguments: str) -> str:
    """Standard output of a command; progress goes to the terminal."""
    print("nigiri", *arguments, file=sys.stderr)
    return subprocess.run([str(NIGIRI), *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "info.json").write_text(nigiri("info", "--json"))
    for subnet, config, cache in NETWORKS:
        text = nigiri("bench", "network", f"demo:{subnet}", "--config", config, "--cache", cache, "--device", "rtl",
                      "--json")
        (FOLDER / f"bench_{subnet}_{config}_{cache}.json").write_text(text)
    (FOLDER / "speed.json").write_text(nigiri("bench", "speed", "--config", "pynq_z2", "--json"))
    nigiri("demo", "--json", str(FOLDER / "demo.json"))
    subprocess.run([sys.executable, str(Path(__file__).parent / "readme_results.py")], check=True)


if __name__ == "__main__":
    main()
