"""Every configuration over many windows: the exhaustive search that says which one is best, and a source of rewards."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from nigiri.tune.environment import Environment
from nigiri.tune.errors import TuneError

__all__ = ["Bank", "measure_bank"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Bank:
    """Rewards of all configurations at one rate.

    Parameters
    ----------
    rewards: float64 [configurations, windows], below 0.  All configurations have met the same windows.

    Raises
    ------
    TuneError: rewards of another shape, or one that is not below 0.
    """

    rewards: np.ndarray

    def __post_init__(self) -> None:
        if self.rewards.ndim != 2 or not self.rewards.size or not (self.rewards < 0).all():
            raise TuneError("a bank needs rewards below 0 of at least one configuration and one window, not "
                            f"{self.rewards.shape}")

    @cached_property
    def values(self) -> np.ndarray:
        """What each configuration is worth: its mean reward, exact for who draws windows from this bank."""
        return self.rewards.mean(axis=1)

    @cached_property
    def best(self) -> int:
        """The configuration of the highest value."""
        return int(self.values.argmax())

    def near(self, margin: float = 0.05) -> np.ndarray:
        """Which configurations cost at most `margin` more than the best, bool [configurations]."""
        return self.values >= self.values[self.best] * (1 + margin) - 1e-12

    def draw(self, index: int, rng: np.random.Generator) -> float:
        """The reward of a configuration in a random window."""
        return float(self.rewards[index, rng.integers(self.rewards.shape[1])])


def _key(env: Environment, rate: float, windows: int, seed: int) -> str:
    """Names everything that the rewards depend on."""
    parts = [env.table.to_json(), [asdict(a) for a in env.space.axes], asdict(env.cost), env.devices, env.static,
             env.queries, env.cv2, env.phase, env.distance, rate, windows, seed]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def measure_bank(env: Environment, rate: float, windows: int, seed: int = 0, *, folder: Path | None = None,
                 progress: Callable[[str], None] = lambda text: None) -> Bank:
    """Serve `windows` windows with every configuration.

    Configurations that differ only in the timeout of launches of one image are one and are served once.

    folder: where banks are kept; one that is there is not measured again.
    """
    if windows < 1:
        raise TuneError(f"a bank needs at least one window, not {windows}")
    path = folder / f"bank-{_key(env, rate, windows, seed)}.npy" if folder else None
    if path and path.exists():
        return Bank(rewards=np.load(path, allow_pickle=False))
    streams = [env.window(rate, seed + n) for n in range(windows)]
    rewards = np.empty((len(env.space), windows))
    known: dict[tuple[float, ...], int] = {}
    for n, p in enumerate(env.space.points):
        key = tuple(p[a] for a in p if p["batch"] > 1 or a != "timeout_ms")
        if known.setdefault(key, n) < n:
            rewards[n] = rewards[known[key]]
        else:
            rewards[n] = [-env.cost(env.serve(n, w)) for w in streams]
        if n % 200 == 0:
            progress(f"{rate:g} queries/s: configuration {n} of {len(env.space)}, {windows} windows each")
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, rewards)
    return Bank(rewards=rewards)
