"""Grids and distances."""
from __future__ import annotations

import numpy as np
import pytest

from nigiri.tune import Axis, Space, TuneError, serving_space


def test_places():
    assert Axis(name="a", values=(1, 2, 4, 8, 16)).places.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert Axis(name="a", values=(1, 2, 4, 8, 16), scale="log").places == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])
    assert Axis(name="a", values=(0, 1, 2, 4), scale="log").places == pytest.approx([0.0, 1 / 3, 2 / 3, 1.0])
    assert Axis(name="a", values=(0, 1), scale="log", stretch=2.0).places == pytest.approx([0.0, 2.0])
    assert Axis(name="a", values=(0.4, 0.6, 1.0), scale="linear").places == pytest.approx([0.0, 1 / 3, 1.0])
    assert Axis(name="a", values=(7,)).places.tolist() == [0.0]


def test_points_have_numbers_and_distances():
    s = serving_space()
    assert len(s) == 5 * 4 * 6 * 3 * 4 == len(s.points)
    assert all(s.index(p) == n for n, p in enumerate(s.points))
    d = s.distances
    assert np.allclose(d, d.T) and (np.diag(d) == 0).all()
    a, b = s.points[0], s.points[0] | {"devices": 2}
    assert d[0, s.index(b)] == pytest.approx(2 / 5)
    c = a | {"devices": 8, "clock": 1.0}
    assert d[0, s.index(c)] == pytest.approx(np.hypot(2, 1.5))


def test_errors():
    x = Axis(name="x", values=(1, 2))
    for make in (lambda: Axis(name="a", values=()), lambda: Axis(name="a", values=(2, 1)),
                 lambda: Axis(name="a", values=(-1, 1)), lambda: Axis(name="a", values=(1,), stretch=0),
                 lambda: Axis(name="a", values=(1,), scale="root"), lambda: Space(axes=()),
                 lambda: Space(axes=(x, x)), lambda: Space(axes=(Axis(name="a", values=tuple(range(9000))),)),
                 lambda: Space(axes=(x,)).index({"x": 3})):
        with pytest.raises(TuneError):
            make()
