"""Table of split inference, from docs/results/split.json."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

__all__ = ["split_tables"]


def split_tables(folder: Path, table: Callable[..., str]) -> dict[str, str]:
    """By name; nothing when it has not been measured."""
    path = folder / "split.json"
    if not path.exists():
        return {}
    data = json.loads(path.read_text())
    rows = []
    for c in data["cases"]:
        s = c["served"]
        chosen: dict[int, float] = {}
        for rate, cut in zip(c["mbit_s"], c["chosen_cut"], strict=True):
            chosen.setdefault(cut, rate)
        cuts = ", ".join(f"{cut} from {rate:.2g}" for cut, rate in chosen.items())
        rows.append([f"`{c['target']}`", f"`{c['client']}`: {c['client_ms']:.1f} ms", f"`{c['server']}`: "
                     f"{c['server_ms']:.2f} ms", cuts, f"{s['queries']} queries: {s['wrong']} wrong, {s['lost']} lost, "
                     f"{s['changes']} changes of the cut, {s['alone']} without the server; {s['ms']:.2f} ms a query, "
                     f"{s['best_ms']:.2f} ms with the best cut always"])
    head = ["SubNet", "client", "server", "cuts chosen, Mbit/s", "stream with changing bandwidth"]
    return {"split": f"Times by the cycle model, round trip {data['cases'][0]['rtt_ms']:g} ms, board memories, "
                     f"{data['date']} (`scripts/bench_split.py`):\n\n" + table(head, rows)}
