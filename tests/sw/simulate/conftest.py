"""Lets the tests of this folder use the small SuperNet of the scheduler's tests."""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "sched"))
