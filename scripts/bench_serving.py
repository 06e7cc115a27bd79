"""Runs the serving experiments and writes docs/results, docs/img and the README's table: about ten minutes."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from results import FOLDER

NIGIRI = Path(sys.executable).parent / "nigiri"
RUNS = {
    "sushi_end_to_end": ("reproduce", "sushi-end-to-end", "--plot", "docs/img/sushi.png"),
    "sushi_end_to_end_u50": ("reproduce", "sushi-end-to-end", "--family", "resnet50", "--machine", "sushi_u50",
                             "--plot", "build/reproduce/sushi_u50.png"),
    "hybridserve": ("reproduce", "hybridserve", "--plot", "docs/img/hybridserve.png"),
    "superserve": ("reproduce", "superserve", "--plot", "docs/img/superserve.png"),
    "scheduler": ("bench", "scheduler", "--rtl", "100"),
}


def main() -> None:
    for name in sys.argv[1:] or RUNS:
        print("nigiri", *RUNS[name], file=sys.stderr)
        done = subprocess.run([str(NIGIRI), *RUNS[name], "--json"], check=True, stdout=subprocess.PIPE, text=True,
                              cwd=FOLDER.parents[1])
        (FOLDER / f"{name}.json").write_text(done.stdout)
    subprocess.run([sys.executable, str(Path(__file__).parent / "readme_results.py")], check=True)


if __name__ == "__main__":
    main()
