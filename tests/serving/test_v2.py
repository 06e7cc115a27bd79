"""The protocol's requests and responses, without a server; what is no request is refused and never crashes."""
from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nigiri.serving import v2
from nigiri.serving.errors import BadRequest, ServingError, TooLarge
from nigiri.serving.request import Targets

IMAGE = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)


def body(binary=True, **changes):
    one = {"name": "image", "datatype": "UINT8", "shape": list(IMAGE.shape)}
    one |= {"parameters": {"binary_data_size": IMAGE.nbytes}} if binary else {"data": IMAGE.ravel().tolist()}
    d = {"id": "7", "inputs": [one | changes.pop("one", {})]} | changes
    head = json.dumps(d).encode()
    return head + (IMAGE.tobytes() if binary else b""), str(len(head)) if binary else None


@pytest.mark.parametrize("binary", [True, False])
def test_round_trip(binary):
    request = v2.parse(*body(binary, parameters={"accuracy": 90, "binary_data_output": binary}))
    assert np.array_equal(request.data, IMAGE) and request.identity == "7"
    assert Targets.read(request.parameters) == Targets(accuracy=90.0)
    tensors = {"logits": np.zeros((2, 10), np.int8), "label": np.array([3, 4], np.int64)}
    raw, split = v2.encode("m", "1", request, tensors, {"subnet": "s1"})
    d = json.loads(raw[:split])
    assert d["id"] == "7" and d["parameters"] == {"subnet": "s1"}
    assert [x["name"] for x in d["outputs"]] == ["logits", "label"]
    if binary:
        assert raw[split:] == tensors["logits"].tobytes() + tensors["label"].tobytes()
    else:
        assert split is None and d["outputs"][1]["data"] == [3, 4]


@pytest.mark.parametrize(("change", "message"), [
    ({"inputs": []}, "the request must have one input, 'image'"),
    ({"one": {"name": "x"}}, "the input must be called 'image', not 'x'"),
    ({"one": {"datatype": "FP32"}}, "input 'image' must have the datatype UINT8, not 'FP32'"),
    ({"one": {"shape": [-1, 3]}}, r"the shape of input 'image' must be a list of sizes, not \[-1, 3\]"),
    ({"one": {"shape": [1, 3]}}, r"a UINT8 tensor of shape \[1, 3\] has 3 bytes, not 96"),
    ({"one": {"parameters": {"binary_data_size": 5}}}, "binary_data_size must be the 96 bytes that follow, not 5"),
    ({"one": {"parameters": {}}}, "binary data follow the request, but its input names no binary_data_size"),
    ({"outputs": [{"name": "x"}]}, "there is no output 'x': choose of 'logits' and 'label'"),
    ({"outputs": 5}, "outputs must be a list"), ({"parameters": 5}, "parameters must be an object"),
    ({"id": 5}, "id must be a text of at most 256 characters"),
])
def test_messages(change, message):
    with pytest.raises(BadRequest, match=f"^{message}$"):
        v2.parse(*body(**change))


def test_more_messages():
    with pytest.raises(BadRequest, match=r"^the request is no JSON"):
        v2.parse(b"{", None)
    with pytest.raises(BadRequest, match=r"^header inference-header-content-length must be a number of bytes from 1"):
        v2.parse(b"{}", "9")
    with pytest.raises(BadRequest, match=r"must have 96 whole numbers from 0 to 255 \(a value outside 0 to 255\)$"):
        v2.parse(*body(False, one={"data": [300] * 96}))
    with pytest.raises(TooLarge, match=r"^a tensor may have 16777216 elements, not"):
        v2.parse(*body(one={"shape": [65536, 65536]}))


@pytest.mark.parametrize(("parameters", "message"), [
    ({"accuracy": 101}, "parameter 'accuracy' must be a number from 0 to 100, not 101"),
    ({"deadline_ms": "soon"}, "parameter 'deadline_ms' must be a number from 0 to 3.6e[+]06, not 'soon'"),
    ({"latency_ms": float("nan")}, "parameter 'latency_ms' must be a number from 0 to 3.6e[+]06, not nan"),
    ({"goal": "luck"}, "parameter 'goal' must be 'strict_accuracy' or 'strict_latency', not 'luck'"),
    ({"subnet": 3}, "parameter 'subnet' must be a name, not 3")])
def test_targets(parameters, message):
    with pytest.raises(BadRequest, match=f"^{message}$"):
        Targets.read(parameters)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
                    lambda x: st.lists(x, max_size=4) | st.dictionaries(
                        st.sampled_from(["inputs", "name", "shape", "datatype", "data", "parameters", "outputs", "id",
                                         "binary_data_size", "x"]), x, max_size=6), max_leaves=20)


@settings(max_examples=400, deadline=None)
@given(value=JSON, tail=st.binary(max_size=40), split=st.none() | st.integers(-5, 200) | st.text(max_size=5))
def test_fuzz(value, tail, split):
    """Anything is either a request or a refusal."""
    head = json.dumps(value).encode()
    for header in (None if split is None else str(split), str(len(head))):
        try:
            request = v2.parse(head + tail, header)
            Targets.read(request.parameters)
        except ServingError:
            pass


@settings(max_examples=300, deadline=None)
@given(changes=st.dictionaries(st.sampled_from(["name", "shape", "datatype", "data", "parameters"]), JSON, max_size=3),
       cut=st.integers(0, 400))
def test_fuzz_near_a_request(changes, cut):
    raw, split = body(one=changes)
    for text in (raw, raw[:cut], raw[cut:]):
        try:
            v2.parse(text, split)
        except ServingError:
            pass
