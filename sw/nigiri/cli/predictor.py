"""`nigiri predictor`: the published accuracy predictors of Once-for-All."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nigiri.cli.output import emit, say
from nigiri.cli.predictor_file import open_predictor, read_tensors
from nigiri.runtime.errors import BadArgument
from nigiri.search.predictor import PUBLISHED, save_safetensors
from nigiri.search.published import compare, read_folder, read_pairs, resnets

__all__ = ["check", "convert"]

FILE = typer.Argument(metavar="FILE|URL", help="A .pth or .safetensors file, or its address.")
ROWS = 50
"""Most configurations that are listed one by one."""
EXPECTED = ("A predictor says what the SubNet reaches without fine-tuning on images held out from the training set; "
            "published is ImageNet validation, for all but the larger ResNets after fine-tuning. A constant offset of "
            "3 to 6 points is expected.")


def convert(source: Annotated[str, FILE],
            out: Annotated[Path, typer.Argument(help="The .safetensors file to write.")]) -> None:
    """Write a predictor as .safetensors, which is read without PyTorch."""
    if out.suffix != ".safetensors":
        raise BadArgument(f"the file to write must end with .safetensors, not {out.name!r}")
    save_safetensors(out, read_tensors(source))
    say(f"{out}: {out.stat().st_size // 1024} KiB")


def check(source: Annotated[str, FILE],
          published: Annotated[Path | None, typer.Option(help="Folder of Once-for-All's specialised networks "
                                                              "(NAME.net.config.json, for MobileNetV3).")] = None,
          pairs: Annotated[Path | None, typer.Option(help="JSON object {configuration: top-1} of ofa_mbv3_w10, for "
                                                          "MobileNetV3.")] = None,
          json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Predicted against published top-1: errors with and without the mean offset, rank correlation."""
    predictor = open_predictor(source)
    groups: dict[str, dict[str, Any]] = {}
    if predictor.network == "ofa_resnet50":
        groups["ofa_resnet50"] = compare(predictor, resnets())
    else:
        if published is None and pairs is None:
            raise BadArgument("the configurations of MobileNetV3 are not part of Nigiri: give --published FOLDER of "
                              "the specialised networks of Once-for-All, or --pairs FILE")
        found = read_folder(published) if published else []
        for network in ("ofa_mbv3_w12", "ofa_mbv3_w10"):
            mine = [p for p in found if p.network == network]
            if mine:
                groups[network] = compare(predictor, mine)
        if pairs:
            groups[f"ofa_mbv3_w10 ({pairs.name})"] = compare(predictor, read_pairs(pairs, "ofa_mbv3_w10"))
    for g in groups.values():
        if len(g["rows"]) > ROWS:
            g["rows"] = []
    data = {"predictor": predictor.network, "url": PUBLISHED[predictor.network], "expected": EXPECTED, "groups": groups}
    if json:
        emit(data)
    else:
        show(data)


def show(d: dict[str, Any]) -> None:
    """The report for people."""
    print(f"predictor of {d['predictor']}")
    print(d["expected"])
    for name, g in d["groups"].items():
        other = "" if name == d["predictor"] else ": another SuperNet than the predictor's"
        print(f"\n{name}{other}")
        for r in g["rows"]:
            print(f"  {r['name']:40} {r['side']:3} px  published {r['published']:5.2f}  predicted "
                  f"{r['predicted']:5.2f}  {r['predicted'] - r['published']:+5.2f}")
        print(f"  {g['configurations']} configurations: mean absolute error {g['mean_abs_error']:.2f} points, mean "
              f"offset {g['mean_offset']:+.2f}, mean absolute error without it "
              f"{g['mean_abs_error_without_offset']:.2f}, rank correlation {g['rank_correlation']:.3f}")
