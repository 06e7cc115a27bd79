"""Bundles: a quantised SuperNet, its SubNets and their programs in one file."""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nigiri.bundle import archive, codec
from nigiri.bundle.errors import (
    BundleChecksumError,
    BundleConfigError,
    BundleCorruptError,
    BundleError,
    BundleFormatError,
    BundleMissingError,
    BundleSizeError,
)
from nigiri.compiler.compile import compile_network
from nigiri.compiler.compiled import CompiledBundle
from nigiri.compiler.constants import collect
from nigiri.compiler.errors import GraphError
from nigiri.compiler.graph import Network, SubNetInfo
from nigiri.spec.config import CONFIGS, AcceleratorConfig

__all__ = ["Bundle", "BundleChecksumError", "BundleConfigError", "BundleCorruptError", "BundleError",
           "BundleFormatError", "BundleMissingError", "BundleSizeError", "demo_images", "demo_path", "load", "save"]

DATA = Path(__file__).resolve().parent.parent / "data"
UNSOUND = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, GraphError)
"""What reading a manifest that is JSON, but not a sound network, may raise."""


def demo_path() -> Path:
    """The shipped CIFAR-10 bundle."""
    return DATA / "demo.nigiri"


def demo_images() -> tuple[np.ndarray, np.ndarray]:
    """The shipped test images: (uint8 [512, 32, 32, 3], labels uint8 [512])."""
    with np.load(DATA / "cifar512.npz", allow_pickle=False) as z:
        return z["images"], z["labels"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Bundle:
    """A loaded bundle.

    config_name, config_digest: the configuration that it carries programs for.  facts: where it comes from, for people.
    checksums: SHA-256 of every member of the file and, as "member:tensor", of every tensor.
    """

    network: Network
    config_name: str
    config_digest: int
    facts: dict[str, Any]
    stored: dict[str, Any]
    programs: np.ndarray
    checksums: dict[str, str] = field(default_factory=dict)

    @property
    def subnets(self) -> tuple[SubNetInfo, ...]:
        """What a scheduler knows about each SubNet, from the smallest to the largest."""
        return tuple(s.info for s in self.network.subnets)

    def compiled(self, config: AcceleratorConfig | None = None, *, recompile: bool = True) -> CompiledBundle:
        """Programs for `config`; those in the bundle when the digests are equal, freshly compiled ones otherwise.

        Without `config`, the named configuration that the bundle carries programs for.

        Raises
        ------
        BundleConfigError: the digests differ and `recompile` is off or no configuration is given.
        CompileError: the network does not fit `config`.
        """
        wanted = config or CONFIGS.get(self.config_name)
        if wanted is None or (wanted.digest() != self.config_digest and not (config and recompile)):
            other = f"{wanted.name!r} here has digest {wanted.digest():#010x}" if wanted else "the name is unknown here"
            raise BundleConfigError(f"the bundle's programs are for configuration {self.config_name!r} (digest "
                                    f"{self.config_digest:#010x}), {other}: compile it again with compiled(config)")
        if wanted.digest() != self.config_digest:
            return compile_network(self.network, wanted)
        constants = collect(self.network).words
        try:
            return codec.compiled_from(self.stored, {"weights": self.network.weights, "constants": constants,
                                                     "programs": self.programs}, self.network, wanted)
        except UNSOUND as e:
            raise BundleCorruptError(f"the bundle's programs are not sound ({e}): export the bundle again") from e


def save(path: Path | str, network: Network, config: AcceleratorConfig, facts: dict[str, Any] | None = None) -> None:
    """Compile `network` for `config` and write the bundle; `facts` is any JSON about its origin."""
    compiled, constants = compile_network(network, config), collect(network)
    first = (len(network.weights) + len(constants.words)) * 64
    archive.write(Path(path), {"network": codec.network_to(network, constants), "compiled": codec.compiled_to(compiled),
                               "config": {"name": config.name, "digest": config.digest()}, "facts": facts or {}},
                  {"weights": network.weights, "constants": constants.words, "input_table": network.input_table,
                   "programs": compiled.image[first:]})


def load(path: Path | str) -> Bundle:
    """Read a bundle and verify every checksum.

    Raises
    ------
    BundleMissingError, BundleCorruptError, BundleSizeError, BundleFormatError, BundleChecksumError: see
    :mod:`nigiri.bundle.errors`; the message names what is wrong.
    """
    manifest, arrays = archive.read(Path(path))
    try:
        network = codec.network_from(manifest["network"], arrays)
        config = manifest["config"]
        return Bundle(network=network, config_name=str(config["name"]), config_digest=int(config["digest"]),
                      facts=dict(manifest["facts"]), stored=dict(manifest["compiled"]), programs=arrays["programs"],
                      checksums=archive.checksums(manifest))
    except UNSOUND as e:
        detail = f"{e.args[0]!r} is missing" if isinstance(e, KeyError) else e
        raise BundleCorruptError(f"{path} does not describe a sound network ({detail}): export the bundle again") from e
