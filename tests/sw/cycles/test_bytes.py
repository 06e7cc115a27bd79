"""Bytes: the model counts exactly what the golden model counts."""
from __future__ import annotations

import numpy as np
import pytest

from nigiri.cycles import predict
from nigiri.model import GoldenDevice
from nigiri.model.programs import execute, random_program
from nigiri.runtime.driver import Driver
from nigiri.runtime.engine import Engine
from nigiri.spec import descriptor, get_config, residency


def nbytes(counters):
    return {"weights": counters.bytes_weights_dram, "pb": counters.bytes_weights_pb, "tables": counters.bytes_tables,
            "act_in": counters.bytes_act_in, "act_out": counters.bytes_act_out,
            "descriptors": counters.bytes_descriptors}


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("network", ["toy", "image"])
def test_networks(request, network, cached):
    compiled = request.getfixturevalue(network)
    with Engine(GoldenDevice(compiled.config), compiled) as engine:
        for subnet in compiled.programs:
            boxes, left = {}, compiled.config.pb_words
            for layer, (ob, ib, taps) in compiled.subnet_boxes(subnet).items():
                box = (max(1, ob - 1), max(1, ib // 2), taps)
                if cached and np.prod(box) <= left:
                    boxes[layer] = box
                    left -= int(np.prod(box))
            engine.cache(boxes)
            shape = compiled.images[subnet]
            counters = engine.infer(subnet, np.zeros(shape, np.uint8)).counters
            got = predict(compiled.descriptors(subnet), compiled.config, resident=boxes)
            assert got.nbytes == nbytes(counters)
            assert got.dram_bytes == sum(nbytes(counters).values()) - counters.bytes_weights_pb


@pytest.mark.parametrize("seed", range(30))
def test_random_programs(seed):
    """Boxes of any shape, stored kernels larger than the used ones, shared words, bands."""
    config = get_config(("tiny", "small")[seed % 2])
    program = random_program(np.random.default_rng(seed), config)
    raw = program.image[64 * program.program_offset:][:descriptor.BYTES * program.n_descriptors].tobytes()
    descriptors = [descriptor.unpack(raw[n:n + descriptor.BYTES]) for n in range(0, len(raw), descriptor.BYTES)]
    resident = {}
    for entry in (residency.unpack(e) for e in program.fill_entries):
        resident.pop(entry["layer"], None)
        if entry["out_blocks"]:
            resident[entry["layer"]] = entry["out_blocks"], entry["in_blocks"], entry["taps"]
    with Driver(GoldenDevice(config)) as driver:
        _, counters = execute(driver, program)
    assert predict(descriptors, config, resident=resident).nbytes == nbytes(counters)
