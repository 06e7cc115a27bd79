"""Pytest settings shared by all tests."""
import gc
import os

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # One test process per core: threads of several processes that share the cores wait for each other most of the time.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def pytest_collection_finish():
    """What is imported by now stays: collections that pass over it again would take a tenth of all tests' time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Keep the collector still while pytest parses source for a report.

    Finalizers of a failing simulation's abandoned testbenches break ast.parse() on CPython 3.11.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.fixture
def collect_abandoned_testbenches():
    """For tests that run Amaranth's simulator."""
    yield
    gc.collect()
