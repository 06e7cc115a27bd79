"""Measures 200 random layers on the RTL of every configuration against the cycle model, with an empty cache and with
random prefixes cached; writes docs/results/cycle_model.json and goes on there when it is started again:
`scripts/bench_cycle_model.py [CONFIG ...]`.
"""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from bench import NIGIRI
from results import FOLDER

CONFIGS = ("tiny", "small", "pynq_z2", "kv260", "zcu104", "sushi_zcu104", "sushi_u50")
PATH = FOLDER / "cycle_model.json"


def main() -> None:
    rows = json.loads(PATH.read_text()) if PATH.exists() else []
    done = {(r["config"], r["cache"]) for r in rows}
    for config in sys.argv[1:] or CONFIGS:
        for cache in ("none", "random"):
            if (config, cache) in done:
                continue
            command = [str(NIGIRI), "bench", "cycle-model", "--config", config, "--cache", cache, "--json"]
            print(" ".join(command[1:]), file=sys.stderr, flush=True)
            run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            got = json.loads(run.stdout)
            rows.append({k: got[k] for k in ("config", "memory", "source", "cache", "mean_abs_error",
                                             "worst_abs_error", "total_error")} | {"layers": len(got["layers"])})
            PATH.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
