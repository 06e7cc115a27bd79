"""Costs of many SubNets: in several processes, each once, kept in a file so that a stopped search goes on."""
from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nigiri.runtime.errors import NigiriError
from nigiri.search.cost import Cost, cost_of
from nigiri.search.errors import SearchError
from nigiri.spec import AcceleratorConfig, MemorySetting
from nigiri.zoo.build import FAMILIES
from nigiri.zoo.plan import Choice

__all__ = ["Evaluator", "Machine", "Progress"]

DEPENDS = ("compiler/*.py", "cycles/*.py", "spec/*.py", "zoo/build.py", "zoo/plan.py", "zoo/mobilenet.py",
           "zoo/resnet.py", "search/cost.py", "energy.py")
"""Source files, from the package's folder, that decide a cost."""
Progress = Callable[[int], None]
"""Called with the number of SubNets that have become known."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a SubNet is judged on.

    cache: none, or best: with the SubGraph that helps it most in the persistent buffer.
    """

    network: str
    config: AcceleratorConfig
    memory: MemorySetting
    cache: str = "none"


@lru_cache
def _code_version() -> str:
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for pattern in DEPENDS:
        for path in sorted(package.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _cost(machine: Machine, choice: Choice) -> Cost | str:
    """The cost, or why the SubNet cannot be compiled."""
    try:
        return cost_of(FAMILIES[machine.network], choice, machine.config, machine.memory, machine.cache)
    except NigiriError as error:
        return str(error)


class Evaluator:
    """Costs of SubNets on one machine.

    path: JSON lines, one for each SubNet, that earlier searches on whatever machine wrote and this one adds to; costs
    of other versions of the compiler and the cycle model are left aside.  jobs: processes.

    Raises
    ------
    SearchError: `jobs` is less than 1, or the file holds something else.
    """

    def __init__(self, machine: Machine, path: Path | None = None, jobs: int = 1):
        if jobs < 1:
            raise SearchError(f"jobs must be at least 1, not {jobs}")
        self.machine, self.path, self.jobs = machine, path, jobs
        self.key = hashlib.sha256(json.dumps([_code_version(), machine.network, asdict(machine.config),
                                              asdict(machine.memory), machine.cache]).encode()).hexdigest()[:16]
        self.known: dict[Choice, Cost | str] = {}
        self._pool: ProcessPoolExecutor | None = None
        if path is not None and path.exists():
            self._read(path)

    def _read(self, path: Path) -> None:
        lines, good = path.read_text().splitlines(), []
        for n, line in enumerate(lines):
            try:
                row = json.loads(line)
                if row["machine"] == self.key:
                    c = row["choice"]
                    choice = Choice(side=c["side"], **{k: tuple(v) for k, v in c.items() if k != "side"})
                    self.known[choice] = row["error"] if "error" in row else Cost(**row["cost"])
                good.append(line)
            except (ValueError, LookupError, TypeError, AttributeError):
                if n + 1 < len(lines):                  # the last line may have been cut off
                    raise SearchError(f"{path}, line {n + 1}, is no cost of a SubNet: give another folder") from None
        if len(good) < len(lines):
            path.write_text("".join(f"{line}\n" for line in good))

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def costs(self, choices: Sequence[Choice], progress: Progress = lambda done: None) -> list[Cost | str]:
        """The costs, in order; where a SubNet cannot be compiled, why."""
        todo = [c for c in dict.fromkeys(choices) if c not in self.known]
        progress(len(choices) - len(todo))
        for choice, cost in self._computed(todo):
            self.known[choice] = cost
            self._keep(choice, cost)
            progress(1)
        return [self.known[c] for c in choices]

    def _computed(self, todo: Sequence[Choice]) -> Iterator[tuple[Choice, Cost | str]]:
        if self.jobs == 1 or len(todo) < 2:
            for choice in todo:
                yield choice, _cost(self.machine, choice)
            return
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self.jobs)
        futures = {self._pool.submit(_cost, self.machine, choice): choice for choice in todo}
        for future in as_completed(futures):
            yield futures[future], future.result()

    def _keep(self, choice: Choice, cost: Cost | str) -> None:
        if self.path is None:
            return
        result: dict[str, Any] = {"error": cost} if isinstance(cost, str) else {"cost": asdict(cost)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps({"machine": self.key, "choice": choice.facts(), **result}) + "\n")
            file.flush()
            os.fsync(file.fileno())
