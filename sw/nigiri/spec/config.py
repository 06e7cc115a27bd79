"""Accelerator configurations: frozen, validated, each with a digest that the hardware carries in register 2."""
from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

__all__ = ["CONFIGS", "VERSION", "AcceleratorConfig", "ConfigError", "get_config"]

VERSION = (0, 2, 2)
"""Version of the hardware interface (register 1): major, minor, patch in one byte each."""


class ConfigError(ValueError):
    """An accelerator configuration that cannot be built, or a name that is not known."""


def _power_of_two(n: int) -> bool:
    return n > 0 and n & (n - 1) == 0


@dataclass(frozen=True, kw_only=True)
class AcceleratorConfig:
    """One buildable accelerator.

    Parameters
    ----------
    lanes: output pixels computed together (P); the array does 64 * P multiply-accumulates a cycle.
    requant_pixels: pixels (of 8 channels) requantised and written back a cycle; divides `lanes`.
    groups: output blocks that the lanes can work on at a time, each over `lanes` / `groups` pixels: 1, 2 or 4.
    ab_words: activation buffer, in pixel words of 8 bytes (8 channels of one pixel); a multiple of 8 * `banks`.
    db_words: dynamic buffer, in weight words of 64 bytes, divided among `groups` rings; a power of two.  One output
        block of a layer must fit a ring.
    pb_words: persistent buffer, in weight words of 64 bytes; 0 builds an accelerator without one.
    ports, port_bits: AXI4 masters for data, 64 or 128 bits each.
    layers: entries of the residency table (SuperNet layers that can be cached); a power of two.
    clock_mhz: intended clock; only latency in seconds depends on it.
    part: the FPGA, as Vivado names it, or "" for simulation only.
    """

    name: str
    lanes: int
    requant_pixels: int
    ab_words: int
    db_words: int
    pb_words: int
    ports: int
    port_bits: int
    groups: int = 1
    layers: int = 128
    clock_mhz: float = 100.0
    part: str = ""

    def __post_init__(self):
        def need(ok: bool, rule: str, got):
            if not ok:
                raise ConfigError(f"configuration {self.name!r}: {rule}, not {got!r}")

        need(1 <= self.lanes <= 120, "lanes must be between 1 and 120", self.lanes)
        need(self.requant_pixels >= 1 and self.lanes % self.requant_pixels == 0,
             "requant_pixels must divide lanes", self.requant_pixels)
        need(self.groups in (1, 2, 4) and self.lanes % (2 * self.groups if self.groups > 1 else 1) == 0,
             "groups must be 1, 2 or 4 and each take an even number of lanes", self.groups)
        need(self.groups == 1 or 2 * self.requant_pixels == self.lanes,
             "requant_pixels must be half of lanes where there are groups", self.requant_pixels)
        need(self.ab_words >= 16 * self.banks and self.ab_words % (8 * self.banks) == 0,
             f"ab_words must be a multiple of {8 * self.banks} of at least {16 * self.banks}", self.ab_words)
        need(_power_of_two(self.db_words) and 64 <= self.db_words <= 65536,
             "db_words must be a power of two between 64 and 65536", self.db_words)
        need(0 <= self.pb_words <= 1 << 20, "pb_words must be between 0 and 1048576", self.pb_words)
        need(1 <= self.ports <= 16, "ports must be between 1 and 16", self.ports)
        need(self.port_bits in (64, 128), "port_bits must be 64 or 128", self.port_bits)
        need(_power_of_two(self.layers) and 2 <= self.layers <= 1024,
             "layers must be a power of two between 2 and 1024", self.layers)
        need(self.clock_mhz > 0, "clock_mhz must be positive", self.clock_mhz)

    @property
    def mac_units(self) -> int:
        return 64 * self.lanes

    @property
    def ring_words(self) -> int:
        """Weight words in each of the dynamic buffer's `groups` rings."""
        return self.db_words // self.groups

    @property
    def banks(self) -> int:
        """Activation banks: a depthwise window of `lanes` + 6 consecutive pixels is read in one cycle."""
        need = max(8, self.lanes + 6)
        return 1 << (need - 1).bit_length()

    @property
    def ab_span(self) -> int:
        """Pixel words that an activation address reaches: the power of two from `ab_words` on."""
        return 1 << (self.ab_words - 1).bit_length()

    @property
    def burst_words(self) -> int:
        """64-byte words in the longest burst: 16 beats, which AXI3 ports take as well."""
        return 16 * self.port_bits // 512

    @property
    def port_bytes(self) -> int:
        """Bytes a cycle of all data ports together."""
        return self.ports * self.port_bits // 8

    @property
    def clock_khz(self) -> int:
        return round(self.clock_mhz * 1000)

    def digest(self) -> int:
        """32-bit digest of everything that changes what a program means on this hardware (register 2)."""
        facts = {k: v for k, v in asdict(self).items() if k not in ("name", "part", "clock_mhz")}
        text = json.dumps([list(VERSION[:2]), facts], sort_keys=True)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def _k(n: float) -> int:
    return int(n * 1024)


CONFIGS: dict[str, AcceleratorConfig] = {c.name: c for c in (
    AcceleratorConfig(name="tiny", lanes=2, requant_pixels=1, ab_words=_k(4), db_words=256, pb_words=512,
                      ports=1, port_bits=64, layers=16),
    AcceleratorConfig(name="small", lanes=8, requant_pixels=4, groups=4, ab_words=_k(8), db_words=_k(1), pb_words=512,
                      ports=2, port_bits=64, layers=16),
    AcceleratorConfig(name="pynq_z2", lanes=6, requant_pixels=1, ab_words=_k(16), db_words=_k(1), pb_words=_k(4),
                      ports=2, port_bits=64, clock_mhz=100, part="xc7z020clg400-1"),
    AcceleratorConfig(name="kv260", lanes=16, requant_pixels=8, groups=4, ab_words=_k(48), db_words=_k(4),
                      pb_words=_k(16), ports=4, port_bits=128, clock_mhz=200, part="xck26-sfvc784-2LV-c"),
    AcceleratorConfig(name="zcu104", lanes=32, requant_pixels=16, groups=4, ab_words=_k(96), db_words=_k(4),
                      pb_words=_k(48), ports=4, port_bits=128, clock_mhz=300, part="xczu7ev-ffvc1156-2-e"),
    AcceleratorConfig(name="sushi_zcu104", lanes=20, requant_pixels=10, groups=2, ab_words=_k(128), db_words=_k(4),
                      pb_words=_k(27), ports=6, port_bits=128, clock_mhz=100, part="xczu7ev-ffvc1156-2-e"),
    AcceleratorConfig(name="sushi_u50", lanes=72, requant_pixels=36, groups=4, ab_words=_k(256), db_words=_k(8),
                      pb_words=_k(27), ports=9, port_bits=128, clock_mhz=100, part="xcu50-fsvh2104-2-e"),
)}
"""The named configurations.  A new one is one line here."""


def get_config(name: str) -> AcceleratorConfig:
    """The configuration called `name`.

    Raises
    ------
    ConfigError: no such configuration; the message lists those that exist.
    """
    if name not in CONFIGS:
        raise ConfigError(f"unknown configuration {name!r}: choose one of {', '.join(CONFIGS)}")
    return CONFIGS[name]
