"""Verification beyond the tests: random programs against the golden model and the cycle model, soak runs, coverage."""
