"""Which of many children are worth compiling: their cost is guessed from those that are known.

A score takes microseconds, a cost most of a second, so more children are made than are evaluated.  The guess is a line
fitted to all known SubNets (least squares): multiply-accumulates, weight bytes, layers, and what the layers cost on the
configuration one by one when each is computed whole.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nigiri.compiler.cost import conv_cycles, fetch_bytes, memory_rate, split_of
from nigiri.search.cost import blank
from nigiri.search.evaluate import Machine
from nigiri.search.front import crowding, ranks
from nigiri.zoo.build import FAMILIES
from nigiri.zoo.plan import Choice

__all__ = ["Screen"]


class Screen:
    """Guesses of one machine's costs."""

    def __init__(self, machine: Machine):
        self.machine, self.known = machine, dict[Choice, np.ndarray]()

    def facts(self, choice: Choice) -> np.ndarray:
        """float64 [5]: 1, MMAC, MiB of weights, layers, thousands of cycles of all layers one by one."""
        if choice not in self.known:
            network, config = blank(FAMILIES[self.machine.network], choice), self.machine.config
            rate, cycles = memory_rate(config, self.machine.memory), 0.0
            subnet = network.subnets[0]
            for layer in subnet.layers:
                s, (height, width) = network.super_layer(layer), network.out_side(layer)
                split = split_of(s, layer, height * width, config)
                cycles += max(conv_cycles(s, layer, height * width, config, split), fetch_bytes(s, layer) / rate)
            self.known[choice] = np.array([1.0, subnet.info.macs / 1e6, subnet.info.weight_bytes / 2**20,
                                           len(subnet.layers), cycles / 1e3])
        return self.known[choice]

    def best(self, children: Sequence[Choice], scores: np.ndarray, count: int, parents: Sequence[Choice],
             points: np.ndarray) -> list[Choice]:
        """`count` of `children`, those of the first fronts of guessed cost and score among all.

        parents, points: SubNets with known float [N, 2] of cost and score; the guess is fitted to them.
        """
        known = np.array([self.facts(c) for c in parents])
        line = np.linalg.lstsq(known, points[:, 0], rcond=None)[0]
        guess = np.stack([np.array([self.facts(c) for c in children]) @ line, scores], axis=1)
        rank, apart = ranks(guess), np.zeros(len(children))
        for n in range(int(rank.max()) + 1):
            apart[rank == n] = crowding(guess[rank == n])
        return [children[n] for n in np.lexsort((-apart, rank))[:count]]
