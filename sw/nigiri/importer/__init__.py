"""Bring your own model: int8 TFLite files and ONNX models in QDQ form become networks of one SubNet."""
from nigiri.importer.errors import BadModel, ModelImportError, UnsupportedModel, UnsupportedOperator
from nigiri.importer.lower import lower
from nigiri.importer.read import read_model

__all__ = ["BadModel", "ModelImportError", "UnsupportedModel", "UnsupportedOperator", "lower", "read_model"]
