"""Traces: scaling that keeps the shape, the published formats, and recorded streams."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nigiri.traffic import (
    TrafficError,
    azure_shape,
    compress,
    from_counts,
    functions_2019,
    functions_2021,
    functions_shape,
    llm_trace,
    load_stream,
    peak_to_mean,
    save_stream,
)

TRACES = next((p for p in (Path(__file__).parents[4] / "shared/data/traces",
                           Path(__file__).parents[3] / "shared/data/traces") if p.exists()), None)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60).filter(any), st.floats(0.5, 3), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_counts_are_kept(counts, scale, seed):
    a = from_counts(np.array(counts), 0.5, seed=seed)
    assert np.bincount((a / 0.5).astype(int), minlength=len(counts)).tolist() == counts
    rate = scale * sum(counts) / (0.5 * len(counts))
    b = from_counts(np.array(counts), 0.5, rate, spread="even")
    got = np.bincount((b / 0.5).astype(int), minlength=len(counts))
    assert np.abs(got - scale * np.array(counts)).max() <= 1
    assert abs(len(b) - scale * sum(counts)) <= 1 and (np.diff(b) >= 0).all()


def test_peak_is_limited_and_nothing_lost():
    counts = np.array([1, 1, 40, 1, 1, 1, 1, 1, 30, 3])
    a = from_counts(counts * 1000, 1.0, peak=1.5)
    assert len(a) == 80_000 and peak_to_mean(a, 1.0) == pytest.approx(1.5, abs=1e-3)
    got = np.bincount(a.astype(int))
    assert got[2] == 12_000 and got[0] == 10_000          # what is left at the end comes first


def test_compress():
    rng = np.random.default_rng(1)
    trace = np.sort(np.concatenate([rng.random(3000) * 50, 50 + rng.random(9000) * 50]))
    a = compress(trace, 4.0, 1000, bins=20)
    assert len(a) == 4000 and a[-1] < 4
    assert (a < 2).sum() == pytest.approx(1000, abs=40)


def test_shipped_shape():
    a = azure_shape(peak=1.37)
    assert len(a) == 768_000 and a[-1] < 120
    assert peak_to_mean(a, 120 / 57) == pytest.approx(8750 / 6400, rel=0.01)
    assert peak_to_mean(azure_shape(mean_rate=6400), 120 / 57) == pytest.approx(1.88, abs=0.01)


MINUTES = ",".join(str(n) for n in range(1, 1441))


def day(path, rows, end="\r\n"):
    path.write_text(end.join([f"HashOwner,HashApp,HashFunction,Trigger,{MINUTES}", *rows]) + end)
    return path


def test_functions_2019(tmp_path):
    one, two = ",".join(["1"] * 1440), ",".join(str(n % 3) for n in range(1440))
    path = day(tmp_path / "d01.csv", [f"a,b,c,http,{one}", "", f'a,"b,x",d,timer,{two}'])
    total = functions_2019(path)
    assert total[:4].tolist() == [1, 2, 3, 1] and total.sum() == 2880
    assert functions_2019(path, functions=1).tolist() == [1] * 1440
    assert len(functions_shape(path, 2.0, 500)) == 1000


def test_functions_2021(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("app,func,end_timestamp,duration\na,f,10.5,0.5\nb,g,8.0,3.0\n")
    assert functions_2021(path).tolist() == [0, 5]


def test_llm_trace(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n"
                    "2023-11-16 18:17:04,1,1\n2023-11-17 00:00:00.0000001,1,1\n")
    assert llm_trace(path).tolist() == pytest.approx([0, 0.02004, 20576.0200401], abs=1e-6)


@pytest.mark.skipif(TRACES is None, reason="needs the Azure traces in ../shared/data/traces")
@pytest.mark.parametrize(("name", "requests"), [("code", 8819), ("conv", 19366)])
def test_real_llm_traces(name, requests):
    a = llm_trace(TRACES / f"AzureLLMInferenceTrace_{name}.csv")
    assert len(a) == requests and 3400 < a[-1] < 3600


GOOD = "HashOwner,HashApp,HashFunction,Trigger,1\n"


@pytest.mark.parametrize(("load", "text", "message"), [
    (functions_2019, "a,b\n", r"must begin with the columns HashOwner, HashApp, HashFunction, Trigger, 1, not 'a, b': "
                              r"give the file as it was published$"),
    (functions_2019, GOOD, r"has no functions$"),
    (functions_2019, GOOD + "a,b,c,http,1,2\n", r"line 2: a function needs 1440 counts of 0 or more, one a minute$"),
    (functions_2019, GOOD + "a,b,c,http," + ",".join(["x"] * 1440), r"line 2: counts must be whole numbers"),
    (functions_2021, "app,func,end_timestamp,duration\na,f,1\n", r"line 2: end_timestamp and duration must be numbers"),
    (functions_2021, "app,func,end_timestamp,duration\na,f,nan,1\n", r"line 2: end_timestamp and duration "
                                                                               r"must be finite$"),
    (functions_2021, "app,func,end_timestamp,duration\n", r"has no requests$"),
    (llm_trace, "TIMESTAMP\nyesterday\n", r"line 2: TIMESTAMP must be a time like 2023-11-16 18:17:03.9799600"),
    (load_stream, "[1]\n", r"line 1: a query is a JSON object with arrival_s and, if wanted, accuracy, latency_ms, "
                           r"deadline_s, image$"),
    (load_stream, '{"arrival_s": 1}\n{"arrival_s": -1}\n', r"line 2: arrival_s must be a number of 0 or more, not -1$"),
    (load_stream, '{"arrival_s": 1, "size": 3}\n', r"line 1: a query is a JSON object"),
    (load_stream, '{"arrival_s": true}\n', r"line 1: arrival_s must be a number of 0 or more, not true$"),
])
def test_bad_files(tmp_path, load, text, message):
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(TrafficError, match=message):
        load(path)


@pytest.mark.parametrize("load", [functions_2019, functions_2021, llm_trace, load_stream])
def test_unreadable_files(tmp_path, load, monkeypatch):
    with pytest.raises(TrafficError, match=r"^there is no (trace|recorded stream) at .*No such file or directory\): "
                                           r"check the path$"):
        load(tmp_path / "nothing")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TrafficError, match=r"is no text"):
        load(tmp_path / "binary")
    monkeypatch.setattr("nigiri.traffic.azure.BYTES", 2)
    monkeypatch.setattr("nigiri.traffic.recorded.BYTES", 2)
    with pytest.raises(TrafficError, match=r"is larger than 2 bytes: split it$"):
        load(tmp_path / "binary")


def test_recorded_stream_comes_back(tmp_path):
    path = tmp_path / "s.jsonl"
    columns = {"arrival_s": np.array([0.0, 0.5, 0.25]), "accuracy": np.array([90.0, 0, 85]),
               "latency_ms": np.array([np.inf, 3.0, 2.0]), "image": np.array([7, 0, 1])}
    save_stream(path, columns)
    assert json.loads(path.read_text().splitlines()[1]) == {"arrival_s": 0.5, "latency_ms": 3.0}
    got = load_stream(path)
    assert got["arrival_s"].tolist() == [0, 0.25, 0.5] and got["image"].tolist() == [7, 1, 0]
    assert got["latency_ms"].tolist() == [np.inf, 2, 3] and got["deadline_s"].tolist() == [np.inf] * 3
    with pytest.raises(TrafficError, match=r"^a stream has the column arrival_s and may have accuracy, .*, not size$"):
        save_stream(path, {"size": np.zeros(1)})
    with pytest.raises(TrafficError, match=r"^all columns of a stream must be equally long$"):
        save_stream(path, {"arrival_s": np.zeros(1), "image": np.zeros(2)})


@pytest.mark.parametrize(("call", "message"), [
    (lambda: from_counts(np.array([0, 0]), 1), r"^counts must be a list of numbers that are not negative, with at "
                                               r"least one above 0$"),
    (lambda: from_counts(np.array([1]), 1, peak=1.0), r"^peak must be above 1, not 1.0$"),
    (lambda: from_counts(np.array([2e8]), 1), r"^a stream can have 100000000 arrivals, not 200000000: take"),
    (lambda: compress(np.array([1.0]), 1, 1), r"^a trace needs at least two arrivals in ascending order, and at least "
                                              r"one bin$"),
    (lambda: peak_to_mean(np.zeros(0), 1), r"^there are no arrivals to take a mean of$"),
])
def test_messages(call, message):
    with pytest.raises(TrafficError, match=message):
        call()
