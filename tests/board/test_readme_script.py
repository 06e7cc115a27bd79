"""The README's script, as it stands, on every simulated board: overlay, buffers and interrupt of pynq, RTL below."""
from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

from nigiri import bundle
from nigiri.model import GoldenDevice
from nigiri.runtime.engine import Engine
from nigiri.spec import get_config
from nigiri.spec.boards import get_board

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.slow
@pytest.mark.verilator
def test_readme_script(board_name, monkeypatch, capsys):
    """16 images, every logit equal to the golden model.  Compiling the largest board's RTL takes minutes: `make verify`
    runs it, `make test` takes the golden model as its accelerator."""
    golden_core = board_name == "zcu104" and "NIGIRI_LONG" not in os.environ
    script = re.search(r"```python\n(import nigiri\n.*?)```", README.read_text(), re.DOTALL)[1]
    monkeypatch.setenv("NIGIRI_DEVICE", f"sim:{board_name}" + ":golden" * golden_core)
    namespace: dict = {}
    exec(compile(script, str(README), "exec"), namespace)
    answers, device = namespace["answers"], namespace["device"]
    assert len(answers) == 16 and device.interrupts and (golden_core or device.woken > 0)
    config = get_config(get_board(board_name).config)
    assert device.config is config
    compiled = bundle.load(bundle.demo_path()).compiled(config)
    with Engine(GoldenDevice(config), compiled) as golden:
        for answer, image in zip(answers, namespace["images"], strict=True):
            assert np.array_equal(answer.logits, golden.infer("max", image).logits)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 16 and all(re.fullmatch(r"class \d \(true: \d\), \d\.\d{3} ms on the accelerator", x)
                                    for x in lines)
