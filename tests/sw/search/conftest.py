"""Where the published predictors lie on machines that have them; they have no licence and are not in the repository."""
from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def ofa():
    """Once-for-All's predictors and configurations: the folder NIGIRI_OFA_DATA, or shared/data/ofa beside the
    checkout."""
    folder = Path(os.environ.get("NIGIRI_OFA_DATA", ROOT.parent / "shared" / "data" / "ofa"))
    if not (folder / "acc_predictor.pth").exists():
        pytest.skip("needs Once-for-All's predictors: set NIGIRI_OFA_DATA")
    return folder
