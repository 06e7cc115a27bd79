"""Pytest settings shared by all tests."""
import gc

import pytest


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


@pytest.fixture(autouse=True)
def _collect_abandoned_testbenches():
    yield
    gc.collect()
