"""Support files beside these tests, and the scripts that they share their measurements with."""
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[3] / "scripts")]
