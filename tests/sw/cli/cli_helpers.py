"""A toy bundle and images, and a way to call `nigiri` inside the test process."""
from __future__ import annotations

from dataclasses import replace

from nigiri import bundle
from nigiri.cli import main
from nigiri.compiler.toy import toy_network
from nigiri.spec import get_config

ACCURACY = {"min": 80.0, "mid": 85.0, "max": 90.0}


def save_toy(path):
    """A bundle of 32 x 32 images whose SubNets have accuracies."""
    network = toy_network(1, height=32, width=32)
    nets = tuple(replace(s, info=replace(s.info, accuracy_int8=ACCURACY[s.info.name], accuracy_float=91.0,
                                         weight_bytes=100 + s.info.macs)) for s in network.subnets)
    bundle.save(path, replace(network, subnets=nets), get_config("kv260"), {"seed": 1})


def call(capsys, *arguments):
    """(exit code, stdout, stderr) of one command."""
    capsys.readouterr()
    code = main([str(a) for a in arguments])
    out = capsys.readouterr()
    return code, out.out, out.err
