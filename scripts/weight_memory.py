"""The table of decision 0006: how dividing zcu104's weight memory between its two buffers changes an inference."""
from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from results import table

from nigiri.compiler import compile_network
from nigiri.cycles import predict
from nigiri.reproduce.machines import machine_at, without_pb
from nigiri.reproduce.workloads import networks
from nigiri.sched.workload import workload
from nigiri.spec import AcceleratorConfig
from nigiri.spec.memory import default_memory
from nigiri.spec.resources import resources

SUBNETS = (("resnet50", "A"), ("resnet50", "C"), ("resnet50", "F"), ("mobilenet_v3", "A"), ("mobilenet_v3", "G"))
DYNAMIC = (4096, 8192, 16384)


def cycles(family: str, name: str, config: AcceleratorConfig) -> int:
    """Of one inference with the best SubGraph cached."""
    network, memory = networks(family)[name][1](), default_memory(config)
    compiled = compile_network(network, config)
    work = workload(compiled, [network.subnets[0].info], memory)
    program, offset = compiled.descriptors(name), compiled.program(name)[0]
    graphs = [c.boxes for c in work.best_for(work.subnets[0])] if config.pb_words else [{}]
    return min(predict(program, config, memory, g, offset=offset).cycles for g in graphs)


def main() -> None:
    base = machine_at("zcu104@300")
    total = base.db_words + base.pb_words
    machines = {"no persistent buffer": without_pb(base)}
    machines |= {f"DB {db:,} + PB {total - db:,}": replace(base, db_words=db, pb_words=total - db) for db in DYNAMIC}
    narrow = replace(base, db_words=8192, ab_words=64 * 1024)
    machines["DB 8,192, PB as it is, AB 64 Ki"] = narrow
    rows = [[f"{family} {name}", *(f"{cycles(family, name, c):,}" for c in machines.values())]
            for family, name in SUBNETS]
    rows.append(["block RAM of 312, UltraRAM of 96",
                 *(f"{r.bram36}, {r.uram}" for r in map(resources, machines.values()))])
    print(table(["SubNet", *machines], rows))


if __name__ == "__main__":
    main()
