"""Cascades: an image starts at a small SubNet and goes on to larger ones only while the answer is not sure enough."""
from nigiri.cascade.balance import Shares, balance
from nigiri.cascade.calibrate import PlattBinning, expected_calibration_error, temperature
from nigiri.cascade.confidence import confidence
from nigiri.cascade.errors import CascadeError, PlannerError
from nigiri.cascade.planner import Device, Model, Plan, plan
from nigiri.cascade.simulate import Outcome, ensemble, run_cascade
from nigiri.cascade.thresholds import Cascade, Standard, evaluate, grid_search, pareto, search

__all__ = ["Cascade", "CascadeError", "Device", "Model", "Outcome", "Plan", "PlannerError", "PlattBinning", "Shares",
           "Standard", "balance", "confidence", "ensemble", "evaluate", "expected_calibration_error", "grid_search",
           "pareto", "plan", "run_cascade", "search", "temperature"]
