"""Verifies for hours and writes docs/results/verify_*.json: `scripts/bench_verification.py [programs] [formal]
[coverage] [soak] [mutation]`."""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from bench import NIGIRI
from results import FOLDER

RUNS = {"programs": ("--seconds", "3600"), "formal": ("--deep",), "coverage": ("--programs", "4000"),
        "soak": ("--queries", "10000"),
        "mutation": ("--count", "400", "--seconds", "14400")}


def main() -> int:
    """The first run that finds something ends it."""
    for name in sys.argv[1:] or RUNS:
        done = subprocess.run([str(NIGIRI), "verify", name, *RUNS[name], "--json"], stdout=subprocess.PIPE, text=True,
                              cwd=FOLDER.parents[1])
        if done.returncode:
            return done.returncode
        (FOLDER / f"verify_{name}.json").write_text(json.dumps(json.loads(done.stdout), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
