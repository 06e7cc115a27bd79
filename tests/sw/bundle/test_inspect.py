"""What `inspect` says about a bundle, against counting every weight word by itself."""
from __future__ import annotations

import hashlib
import json
from itertools import product

import pytest

from nigiri import bundle
from nigiri.bundle.inspect import describe, sharing
from nigiri.compiler.compile import compile_network
from nigiri.compiler.toy import toy_network
from nigiri.compiler.toy_image import toy_image_network
from nigiri.cycles import predict
from nigiri.spec import get_config
from nigiri.spec.memory import default_memory


def words_read(compiled, name):
    """Every word (layer, output block, input block, tap) that a SubNet reads, one by one."""
    return {(i, *word) for i, box in compiled.subnet_boxes(name).items() for word in product(*map(range, box))}


@pytest.mark.parametrize("network", [toy_network(0), toy_image_network(0)], ids=["toy", "image"])
def test_sharing(network):
    compiled = compile_network(network, get_config("kv260"))
    got = sharing(compiled)
    sets = {name: words_read(compiled, name) for name in compiled.programs}
    assert got.subnets == {name: 64 * len(s) for name, s in sets.items()}
    assert got.pairs == [[64 * len(a & b) for b in sets.values()] for a in sets.values()]
    assert got.union == 64 * len(set.union(*sets.values()))
    assert got.common == 64 * len(set.intersection(*sets.values()))


def test_describe(tmp_path):
    path, config = tmp_path / "toy.nigiri", get_config("tiny")
    bundle.save(path, toy_network(0), config, {"seed": 0})
    loaded, memory = bundle.load(path), default_memory(config)
    compiled = loaded.compiled()
    d = json.loads(json.dumps(describe(loaded, path, compiled, memory)))
    assert (d["file"], d["bytes"]) == ("toy.nigiri", path.stat().st_size)
    assert (d["format"], d["version"], d["facts"]) == ("nigiri-bundle", 3, {"seed": 0})
    assert d["programs_for"] == {"config": "tiny", "digest": f"{config.digest():#010x}"}
    checks = {t["name"]: t for t in d["tensors"]}
    assert checks["weights"]["sha256"] == hashlib.sha256(loaded.network.weights.tobytes()).hexdigest()
    assert checks["weights"]["shape"] == list(loaded.network.weights.shape)
    for s in d["subnets"]:
        offset = compiled.program(s["name"])[0]
        want = predict(compiled.descriptors(s["name"]), config, memory, offset=offset)
        assert s["latency"]["none"]["cycles"] == want.cycles
        assert s["latency"]["none"]["ms"] == want.cycles / (1000 * config.clock_mhz)
        assert s["latency"]["best"]["dram_bytes"] < s["latency"]["none"]["dram_bytes"]
        assert 0 < s["shared_with_smallest_bytes"] <= s["read_bytes"]
    smallest = d["subnets"][0]
    assert smallest["shared_with_smallest_bytes"] == smallest["read_bytes"]
