"""Choosing the serving configuration (batch limit and timeout, devices, cache period, clock) by trying it."""
from nigiri.tune.bank import Bank, measure_bank
from nigiri.tune.baselines import EpsilonGreedy, Exhaustive, Learner, RandomSearch
from nigiri.tune.convergence import Run, quartiles, run
from nigiri.tune.environment import BatchedSushi, Environment
from nigiri.tune.errors import TuneError
from nigiri.tune.online import Levels, OnlineTuner
from nigiri.tune.reward import Cost, Outcome
from nigiri.tune.rrl import RRL, weights
from nigiri.tune.space import Axis, Space, serving_space

__all__ = ["RRL", "Axis", "Bank", "BatchedSushi", "Cost", "Environment", "EpsilonGreedy", "Exhaustive", "Learner",
           "Levels", "OnlineTuner", "Outcome", "RandomSearch", "Run", "Space", "TuneError", "measure_bank", "quartiles",
           "run", "serving_space", "weights"]
