"""Writes docs/results/rrl.json and docs/img/rrl.png: `nigiri tune`, five to six minutes on one core."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from results import FOLDER

NIGIRI = Path(sys.executable).parent / "nigiri"


def main() -> None:
    done = subprocess.run([str(NIGIRI), "tune", "--json", "--plot", "docs/img/rrl.png", *sys.argv[1:]], check=True,
                          stdout=subprocess.PIPE, text=True, cwd=FOLDER.parents[1])
    (FOLDER / "rrl.json").write_text(done.stdout)


if __name__ == "__main__":
    main()
