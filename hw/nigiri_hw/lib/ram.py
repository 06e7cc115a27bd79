"""Where a memory goes: block RAM or UltraRAM."""

from nigiri.spec.config import AcceleratorConfig
from nigiri.spec.resources import resources

__all__ = ["ram_style"]


def ram_style(config: AcceleratorConfig, buffer: str) -> dict[str, str]:
    """Attributes of the memories of a buffer ("PB", "AB" or "DB"), so that all of them find room in the part."""
    return {"ram_style": "ultra"} if buffer in resources(config).where.split() else {}
