"""Writes sw/nigiri/data/azure_shape.json from the two Azure LLM inference traces: python scripts/azure_shape.py DIR"""
from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from nigiri.traffic import llm_trace

MINUTE = 60.0


def main(folder: Path) -> None:
    """Counts of both services added up by minute, over the whole minutes that both cover."""
    parts = [llm_trace(folder / f"AzureLLMInferenceTrace_{name}.csv") for name in ("code", "conv")]
    bins = int(min(p[-1] for p in parts) / MINUTE)
    counts = sum(np.histogram(p, bins=bins, range=(0.0, bins * MINUTE))[0] for p in parts)
    data = {"bin_s": MINUTE, "counts": counts.tolist(),
            "source": "AzureLLMInferenceTrace_code and _conv, 2023-11-16 (Azure/AzurePublicDataset), requests of both "
                      f"services by bin, {sum(map(len, parts))} requests",
            "licence": "CC-BY: Microsoft Azure Public Dataset"}
    out = Path(__file__).parents[1] / "sw/nigiri/data/azure_shape.json"
    out.write_text(json.dumps(data) + "\n")
    print(f"{out}: {int(counts.sum())} requests in {bins} bins of {data['bin_s']:.2f} s, peak "
          f"{counts.max() / counts.mean():.2f} times the mean")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
