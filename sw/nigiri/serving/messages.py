"""Messages of the Open Inference Protocol's gRPC service, described here and built when first used.

They live in a descriptor pool of their own: a client library in the same process has messages of the same names, and
one pool does not take both.  Field numbers: KServe's open_inference_grpc.proto.
"""
from __future__ import annotations

from functools import cache
from typing import Any

__all__ = ["SERVICE", "messages"]

SERVICE = "inference.GRPCInferenceService"
_SCALARS = {"bool": 8, "string": 9, "bytes": 12, "int32": 5, "int64": 3, "uint32": 13, "uint64": 4, "float": 2,
            "double": 1}
_MESSAGE, _REPEATED, _OPTIONAL = 11, 3, 1
_PARAMETERS = "map InferParameter parameters"

DESCRIPTION: dict[str, str] = {
    "ServerLiveRequest": "", "ServerLiveResponse": "bool live=1", "ServerReadyRequest": "",
    "ServerReadyResponse": "bool ready=1", "ModelReadyRequest": "string name=1; string version=2",
    "ModelReadyResponse": "bool ready=1", "ServerMetadataRequest": "",
    "ServerMetadataResponse": "string name=1; string version=2; repeated string extensions=3",
    "ModelMetadataRequest": "string name=1; string version=2",
    "ModelMetadataResponse": "string name=1; repeated string versions=2; string platform=3; "
                             "repeated .TensorMetadata inputs=4; repeated .TensorMetadata outputs=5",
    "ModelMetadataResponse.TensorMetadata": "string name=1; string datatype=2; repeated int64 shape=3",
    "InferParameter": "oneof bool bool_param=1; oneof int64 int64_param=2; oneof string string_param=3; "
                      "oneof double double_param=4; oneof uint64 uint64_param=5",
    "InferTensorContents": "repeated bool bool_contents=1; repeated int32 int_contents=2; "
                           "repeated int64 int64_contents=3; repeated uint32 uint_contents=4; "
                           "repeated uint64 uint64_contents=5; repeated float fp32_contents=6; "
                           "repeated double fp64_contents=7; repeated bytes bytes_contents=8",
    "ModelInferRequest": f"string model_name=1; string model_version=2; string id=3; {_PARAMETERS}=4; "
                         "repeated .InferInputTensor inputs=5; repeated .InferRequestedOutputTensor outputs=6; "
                         "repeated bytes raw_input_contents=7",
    "ModelInferRequest.InferInputTensor": "string name=1; string datatype=2; repeated int64 shape=3; "
                                          f"{_PARAMETERS}=4; InferTensorContents contents=5",
    "ModelInferRequest.InferRequestedOutputTensor": f"string name=1; {_PARAMETERS}=2",
    "ModelInferResponse": f"string model_name=1; string model_version=2; string id=3; {_PARAMETERS}=4; "
                          "repeated .InferOutputTensor outputs=5; repeated bytes raw_output_contents=6",
    "ModelInferResponse.InferOutputTensor": "string name=1; string datatype=2; repeated int64 shape=3; "
                                            f"{_PARAMETERS}=4; InferTensorContents contents=5",
}
"""Fields of every message: "repeated", "oneof" or "map", type, name and number; a type with a dot is nested."""


def _field(message: Any, path: str, text: str) -> None:
    *words, last = text.split()
    name, number = last.split("=")
    kind, field = words[-1], message.field.add(name=name, number=int(number), label=_OPTIONAL)
    if words[0] == "map":
        entry = message.nested_type.add(name="".join(w.capitalize() for w in name.split("_")) + "Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=_OPTIONAL, type=_SCALARS["string"])
        entry.field.add(name="value", number=2, label=_OPTIONAL, type=_MESSAGE, type_name=f".inference.{kind}")
        field.label, field.type, field.type_name = _REPEATED, _MESSAGE, f".inference.{path}.{entry.name}"
        return
    if words[0] == "repeated":
        field.label = _REPEATED
    if words[0] == "oneof":
        if not message.oneof_decl:
            message.oneof_decl.add(name="parameter_choice")
        field.oneof_index = 0
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = _MESSAGE
        field.type_name = f".inference.{path}{kind}" if kind.startswith(".") else f".inference.{kind}"


@cache
def messages() -> dict[str, Any]:
    """Message classes by name."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="nigiri/open_inference.proto", package="inference", syntax="proto3")
    made: dict[str, Any] = {}
    for name, text in DESCRIPTION.items():
        outer, _, inner = name.partition(".")
        made[name] = made[outer].nested_type.add(name=inner) if inner else file.message_type.add(name=name)
        for field in filter(None, (x.strip() for x in text.split(";"))):
            _field(made[name], name, field)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"inference.{name}"))
            for name in DESCRIPTION}
