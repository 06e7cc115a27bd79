# amaranth: UnusedElaboratable=no
"""The Verilog: port names, directions and widths, no initial contents, the same text every time; constructor errors."""
from __future__ import annotations

import hashlib
import re
import subprocess
import sys

import pytest
from amaranth.hdl import Module
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from hw_helpers import small

from nigiri.spec.config import CONFIGS, ConfigError
from nigiri_hw.build.verilog import flat_ports, generate, module_name
from nigiri_hw.lib.axi import ADDRESS_BITS
from nigiri_hw.top import Accelerator

LITE = {"aw": ("addr:12", "prot:3"), "w": ("data:32", "strb:4"), "b": ("resp:2",), "ar": ("addr:12", "prot:3"),
        "r": ("data:32", "resp:2")}
ADDRESS = (f"addr:{ADDRESS_BITS}", "len:8", "size:3", "burst:2", "cache:4", "prot:3")


def expected_ports(config) -> dict[str, tuple[int, PortDirection]]:
    """Every port as AMBA names it: width and direction."""
    into, out = PortDirection.Input, PortDirection.Output
    ports = {"aclk": (1, into), "aresetn": (1, into), "interrupt": (1, out)}

    def channel(prefix: str, name: str, fields, source: bool) -> None:
        forward, back = (out, into) if source else (into, out)
        for field in fields:
            signal, width = field.split(":")
            ports[f"{prefix}_{name}{signal}"] = (int(width), forward)
        ports[f"{prefix}_{name}valid"], ports[f"{prefix}_{name}ready"] = (1, forward), (1, back)
    for name, fields in LITE.items():
        channel("s_axi", name, fields, name in ("b", "r"))
    bits = config.port_bits
    for n in range(config.ports):
        channel(f"m{n}_axi", "ar", ADDRESS, True)
        channel(f"m{n}_axi", "aw", ADDRESS, True)
        channel(f"m{n}_axi", "w", (f"data:{bits}", f"strb:{bits // 8}", "last:1"), True)
        channel(f"m{n}_axi", "r", (f"data:{bits}", "resp:2", "last:1"), False)
        channel(f"m{n}_axi", "b", ("resp:2",), False)
    return ports


@pytest.mark.parametrize("config", [*CONFIGS.values(), small(ports=16, port_bits=128)], ids=lambda c: c.name)
def test_ports_are_named_as_amba_names_them(config):
    got = {name: (len(value), direction) for name, (value, direction) in flat_ports(Accelerator(config)).items()}
    assert got == expected_ports(config)


def test_two_ports_of_one_name_are_refused():
    class Twice(wiring.Component):
        def __init__(self):
            super().__init__({"m_axi_r_x": In(1), "m_axi_w_x": Out(1)})

        def elaborate(self, platform):
            return Module()
    with pytest.raises(ValueError, match=r"^two ports are called 'm_axi_x'$"):
        flat_ports(Twice())


def test_verilog_of_tiny():
    """The top module has exactly the expected ports, and memories have no initial contents."""
    config = CONFIGS["tiny"]
    text = generate(config)
    top = re.search(rf"^module {module_name(config)}\((.*?)^endmodule", text, re.S | re.M)
    assert top is not None
    ports = re.findall(r"^  (input|output) (?:reg |wire )?(?:\[(\d+):0\] )?(\w+);", top[1], re.M)
    directions = {"input": PortDirection.Input, "output": PortDirection.Output}
    got = {name: (int(high or 0) + 1, directions[way]) for way, high, name in ports}
    assert got == expected_ports(config)
    assert not re.search(r"\binitial\b|readmem", text)
    assert str(__file__).split("tests")[0] not in text, "a path of this machine"


def test_verilog_is_reproducible():
    """Another process with another hash seed writes the same text."""
    script = ("import hashlib; from nigiri.spec import CONFIGS; from nigiri_hw.build.verilog import generate; "
              "print(hashlib.sha256(generate(CONFIGS['tiny']).encode()).hexdigest())")
    again = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True,
                           env={"PYTHONHASHSEED": "12345", "PYTHONPATH": ":".join(sys.path)})
    assert again.stdout.strip() == hashlib.sha256(generate(CONFIGS["tiny"]).encode()).hexdigest()


@pytest.mark.parametrize(("change", "rule"), [
    ({"lanes": 0}, "lanes must be between 1 and 120, not 0"),
    ({"lanes": 121}, "lanes must be between 1 and 120, not 121"),
    ({"requant_pixels": 3}, "requant_pixels must divide lanes, not 3"),
    ({"groups": 3}, "groups must be 1, 2 or 4 and each take an even number of lanes, not 3"),
    ({"groups": 4}, "groups must be 1, 2 or 4 and each take an even number of lanes, not 4"),
    ({"groups": 2, "requant_pixels": 1}, "requant_pixels must be half of lanes where there are groups, not 1"),
    ({"ab_words": 128}, "ab_words must be a multiple of 128 of at least 256, not 128"),
    ({"db_words": 32}, "db_words must be a power of two between 64 and 65536, not 32"),
    ({"ports": 0}, "ports must be between 1 and 16, not 0"), ({"port_bits": 32}, "port_bits must be 64 or 128, not 32"),
    ({"layers": 12}, "layers must be a power of two between 2 and 1024, not 12")])
def test_hardware_that_cannot_be_built_is_refused(change, rule):
    with pytest.raises(ConfigError, match=f"^configuration 'small': {rule}$"):
        Accelerator(small(**change))
