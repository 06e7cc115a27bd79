"""`nigiri bench cycle-model`: what it refuses."""
from __future__ import annotations

import pytest

from nigiri.cli import main


@pytest.mark.parametrize(("options", "message"), [
    (["--count", "0"], "--count must be at least 1, not 0"),
    (["--cache", "all"], "--cache must be none or best, not 'all'"),
    (["--config", "huge"], "unknown configuration 'huge'"),
    (["--layers", "demo"], "must be BUNDLE:SUBNET"),
])
def test_refusals(capsys, options, message):
    assert main(["bench", "cycle-model", *options]) == 2
    assert message in capsys.readouterr().err
