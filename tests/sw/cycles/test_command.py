"""`nigiri bench cycle-model`: what it refuses."""
from __future__ import annotations

import pytest

from nigiri.cli import main


@pytest.mark.parametrize(("options", "message"), [
    (["--count", "0"], "--count must be at least 1, not 0"),
    (["--cache", "best"], "--cache must be none or random with --layers random, not 'best'"),
    (["--layers", "cifar:min", "--cache", "random"], "--cache must be none or best with --layers cifar:min"),
    (["--length", "17"], "--length must be between 1 and 16, not 17"),
    (["--config", "huge"], "unknown configuration 'huge'"),
    (["--layers", "demo"], "must be BUNDLE:SUBNET"),
])
def test_refusals(capsys, options, message):
    assert main(["bench", "cycle-model", *options]) == 2
    assert message in capsys.readouterr().err
