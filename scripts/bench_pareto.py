"""Checks the published accuracy predictors and searches a front with one of them: `scripts/bench_pareto.py DATA`.

DATA holds Once-for-All's files, which are not part of Nigiri: acc_predictor.pth, ofa_resnet50_acc_predictor.pth,
specialized/ and, for another SuperNet's accuracies, mbv3_w10_k7_224_top1.json.  Writes docs/results/predictor_*.json,
docs/results/pareto.json and docs/img/pareto.png; about a quarter of an hour, goes on where it was stopped.
"""
from __future__ import annotations

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from bench import nigiri
from results import FOLDER

OUT = Path("build/pareto")
EVALUATIONS = 1500


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: scripts/bench_pareto.py DATA")
    data = Path(sys.argv[1])
    mobilenet, resnet = data / "acc_predictor.pth", data / "ofa_resnet50_acc_predictor.pth"
    pairs = data / "mbv3_w10_k7_224_top1.json"
    more = ["--pairs", str(pairs)] if pairs.exists() else []
    (FOLDER / "predictor_mobilenet.json").write_text(
        nigiri("predictor", "check", str(mobilenet), "--published", str(data / "specialized"), *more, "--json"))
    (FOLDER / "predictor_resnet.json").write_text(nigiri("predictor", "check", str(resnet), "--json"))
    nigiri("pareto", "ofa_mbv3_w12", "--config", "kv260", "--predictor", str(mobilenet), "--published",
           str(data / "specialized"), "--evaluations", str(EVALUATIONS), "--out", str(OUT), "--json")
    shutil.copyfile(OUT / "pareto.json", FOLDER / "pareto.json")
    shutil.copyfile(OUT / "pareto.png", FOLDER.parent / "img" / "pareto.png")


if __name__ == "__main__":
    main()
