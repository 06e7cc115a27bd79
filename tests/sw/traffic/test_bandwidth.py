"""Synthetic and recorded bandwidths."""
import pytest

from nigiri.traffic.bandwidth import KINDS, Bandwidths, read_bandwidth, synthetic
from nigiri.traffic.errors import TrafficError


@pytest.mark.parametrize("kind", KINDS)
def test_synthetic(kind):
    trace = synthetic(kind, 600, 3)
    assert trace == synthetic(kind, 600, 3) != synthetic(kind, 600, 4)
    assert len(trace.mbit_s) == 600 and min(trace.mbit_s) > 0
    low, high = (m for m, _ in (KINDS[kind].states[-1], KINDS[kind].states[0]))
    assert low < trace.mean < high
    assert trace.at(601.5) == trace.mbit_s[1]
    assert min(trace.mbit_s) < low < high < max(trace.mbit_s)


def test_kinds_differ():
    assert synthetic("5g", 600).mean > 3 * synthetic("lte", 600).mean
    with pytest.raises(TrafficError, match="unknown kind of link '3g': choose one of lte, 5g"):
        synthetic("3g", 10)
    with pytest.raises(TrafficError, match="at least one second, not 0"):
        synthetic("lte", 0)


def test_recorded(tmp_path):
    path = tmp_path / "tram.csv"
    path.write_text("time_s,mbit_s\n10,5\n11.2,6\n14,0\n")
    assert read_bandwidth(path) == Bandwidths(name="tram", mbit_s=(5.0, 5.0, 6.0, 6.0, 0.0))


@pytest.mark.parametrize(("text", "error"), [
    ("time_s,mbit_s\n", "there is no row below"), ("t,m\n1,2\n", "line 2: needs the columns time_s and mbit_s"),
    ("time_s,mbit_s\n1,x\n", "line 2: needs the columns"), ("time_s,mbit_s\n1,-3\n", "no sensible values"),
    ("time_s,mbit_s\n5,1\n4,1\n", "times must not fall"), ("time_s,mbit_s\n1e9,1\n", "no sensible values")])
def test_bad_files(tmp_path, text, error):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(TrafficError, match=error):
        read_bandwidth(path)


def test_unreadable(tmp_path, monkeypatch):
    with pytest.raises(TrafficError, match="cannot be read as a trace of bandwidths"):
        read_bandwidth(tmp_path / "none.csv")
    monkeypatch.setattr("nigiri.traffic.bandwidth.MOST_BYTES", 3)
    (tmp_path / "big.csv").write_text("time_s,mbit_s\n")
    with pytest.raises(TrafficError, match="at most 3 bytes"):
        read_bandwidth(tmp_path / "big.csv")
