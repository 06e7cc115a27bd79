"""`nigiri bench network`: one launch, counted."""
from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import typer

from nigiri import bundle, zoo
from nigiri.cli.output import emit, say
from nigiri.cli.target import Target, machine, open_device, open_target
from nigiri.compiler import CompiledBundle, compile_network
from nigiri.counts import dram_bytes, stalls
from nigiri.cycles import predict
from nigiri.cycles.best import best_subgraph
from nigiri.cycles.check import compared, summary
from nigiri.cycles.measure import run_marked
from nigiri.model import GoldenDevice
from nigiri.runtime.counters import Counters
from nigiri.runtime.engine import Engine
from nigiri.runtime.errors import BadArgument
from nigiri.sched.subgraph import Candidate
from nigiri.sched.workload import workload
from nigiri.spec import AcceleratorConfig, MemorySetting

__all__ = ["bench_network"]


def bench_network(
        network: Annotated[str, typer.Argument(metavar="NETWORK:SUBNET",
                                               help="For example demo:max or ofa_resnet50:A.")],
        config: Annotated[str, typer.Option(help="Configuration.")] = "pynq_z2",
        cache: Annotated[str, typer.Option(help="none, or best: the SubGraph that helps this SubNet most.")] = "none",
        batch: Annotated[int, typer.Option(help="Images of the launch, 1 to 16.")] = 1,
        memory: Annotated[str, typer.Option(help="Memory setting; the board's when left out.")] = "",
        device: Annotated[str, typer.Option(help="rtl, or golden: bytes without cycles.")] = "rtl",
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Cycles, utilisation, bytes and stalls of one launch, every layer compared with the golden model."""
    if cache not in ("none", "best"):
        raise BadArgument(f"--cache must be none or best, not {cache!r}")
    target = open_target(network)
    chosen, setting = machine(config, memory)
    say(f"compiling {target.subnet.name} for {chosen.name}, memory {setting.name}")
    if batch != 1:
        only = replace(target.network, subnets=(target.network.subnet(target.subnet.name),))
        target = replace(target, network=only, compile=lambda config: compile_network(only, config, batch=batch))
    compiled = target.compile(chosen)
    opened = open_device(device, chosen, setting)
    try:
        data = measure(target, compiled, chosen, setting, cache, Engine(opened, compiled))
    finally:
        opened.close()
    data = {"network": network, "device": device, "config": chosen.name, "memory": setting.name, "cache": cache, **data}
    if json:
        emit(data)
    else:
        show(data)


def measure(target: Target, compiled: CompiledBundle, config: AcceleratorConfig, memory: MemorySetting, cache: str,
            engine: Engine) -> dict[str, Any]:
    """The measured part of the report."""
    name, work = target.subnet.name, workload(compiled, target.subnets, memory)
    images = test_images(compiled, name)
    form = best_form(target, compiled, memory) if cache == "best" else Candidate("none", {})
    engine.cache(form.boxes)
    say(f"running {name}, {form.bytes // 1024} KiB cached ({form.name})")
    began = time.process_time()
    counters, logits, model = run_once(engine, name, images, memory, form)
    seconds = time.process_time() - began
    say("comparing every layer with the golden model")
    exact, tensors = bit_exact(engine, compiled, name, images, form, logits, counters)
    cycles, macs = counters.cycles, compiled.batch * target.subnet.macs
    return {
        "cycles": cycles, "latency_ms": cycles / (config.clock_mhz * 1e3), "clock_mhz": config.clock_mhz,
        "batch": compiled.batch, "cycles_per_image": cycles / compiled.batch,
        "macs": macs, "mac_units": config.mac_units,
        "utilization": macs / (cycles * config.mac_units) if cycles else 0.0,
        "dram_bytes": dram_bytes(counters), "pb_bytes": counters.bytes_weights_pb, "cached_bytes": form.bytes,
        "busy": counters.busy, "stalls": stalls(counters),
        "mac_per_dram_byte": work.roofline.intensity, "bit_exact": exact, "tensors_compared": tensors,
        "cycle_model": model, "cycles_per_second": cycles / seconds if cycles and seconds else None}


def best_form(target: Target, compiled: CompiledBundle, memory: MemorySetting) -> Candidate:
    """The SubGraph with which the cycle model promises the SubNet the fewest cycles, then the fewest bytes."""
    name, work = target.subnet.name, workload(compiled, target.subnets, memory)
    program, offset = compiled.descriptors(name), compiled.program(name)[0]
    forms = [*work.best_for(next(s for s in work.subnets if s.name == name)),
             Candidate("cycles saved per byte", best_subgraph(compiled, name, memory))]

    def cost(form: Candidate) -> tuple[int, int]:
        got = predict(program, compiled.config, memory, form.boxes, offset=offset)
        return got.cycles, got.dram_bytes

    return min(forms, key=cost)


def run_once(engine: Engine, subnet: str, images: list[np.ndarray], memory: MemorySetting,
             form: Candidate) -> tuple[Counters, list[np.ndarray], dict[str, float] | None]:
    """Counters, logits of every image, and how far the cycle model is off in each layer (None for a device without
    time)."""
    compiled, driver = engine.compiled, engine.driver
    if driver.device.name == "golden":
        got = engine.infer_batch(subnet, images)
        return got[0].counters, [x.logits for x in got], None
    driver.write(compiled.input_offset, compiled.encode_inputs(images, subnet))
    measured, counters = run_marked(driver, *compiled.program(subnet))
    logits = compiled.decode_outputs(driver.read(compiled.output_offset, compiled.output_bytes(subnet)), subnet)
    errors = summary(compared(compiled, subnet, memory, form.boxes, measured))
    return counters, logits, {key: errors[key] for key in ("mean_abs_error", "worst_abs_error", "total_error")}


def test_images(compiled: CompiledBundle, subnet: str) -> list[np.ndarray]:
    """Shipped test images for a launch, or synthetic pictures when the network takes another shape."""
    height, width, channels = compiled.images[subnet]
    if (height, width, channels) == (32, 32, 3):
        return list(bundle.demo_images()[0][:compiled.batch])
    if height == width and channels == 3:
        return list(zoo.pictures(compiled.batch, height))
    return list(np.random.default_rng(0).integers(0, 256, (compiled.batch, height, width, channels), dtype=np.uint8))


def bit_exact(engine: Engine, compiled: CompiledBundle, subnet: str, images: list[np.ndarray], cached: Candidate,
              logits: list[np.ndarray], counters: Counters) -> tuple[bool, int]:
    """Whether every byte of every layer of every image, the logits, and the counted bytes are those of the golden
    model; the number of tensors (or bands of them) that were compared."""
    with Engine(GoldenDevice(compiled.config), compiled) as golden:
        golden.cache(cached.boxes)
        want = golden.infer_batch(subnet, images)
        layers = list(zip(engine.dump_batch(subnet, images), golden.dump_batch(subnet, images), strict=True))
        same = all(np.array_equal(a.data, b.data) for a, b in layers)
        same = same and all(np.array_equal(a, b.logits) for a, b in zip(logits, want, strict=True))
        return (same and dram_bytes(counters) == dram_bytes(want[0].counters)
                and counters.bytes_weights_pb == want[0].counters.bytes_weights_pb), len(layers)


def show(d: dict[str, Any]) -> None:
    """The report for people."""
    print(f"{d['network']} on {d['device']}, {d['config']}, memory {d['memory']}, cache {d['cache']}")
    print(f"cycles       {d['cycles']:,} ({d['latency_ms']:.3f} ms at {d['clock_mhz']:g} MHz)")
    if d["batch"] > 1:
        print(f"per image    {d['cycles_per_image']:,.0f} cycles, {d['batch']} images with one reading of the weights "
              f"where they fit")
    print(f"utilisation  {100 * d['utilization']:.1f} % of {d['mac_units']} MAC units, {d['macs'] / 1e6:.2f} MMAC")
    print("stalls       " + ", ".join(f"{k} {v:,}" for k, v in d["stalls"].items()))
    print("DRAM bytes   " + ", ".join(f"{k} {v:,}" for k, v in d["dram_bytes"].items()))
    print(f"PB bytes     {d['pb_bytes']:,} of {d['cached_bytes']:,} cached")
    print(f"bit exact    {'yes' if d['bit_exact'] else 'NO'}, {d['tensors_compared']} tensors compared")
    if d["cycle_model"]:
        print(f"cycle model  {100 * d['cycle_model']['total_error']:+.2f} %; of single layers "
              f"{100 * d['cycle_model']['mean_abs_error']:.2f} % (mean), "
              f"{100 * d['cycle_model']['worst_abs_error']:.2f} % (worst)")
        print(f"simulation   {d['cycles_per_second']:,.0f} cycles per second of processor time")
