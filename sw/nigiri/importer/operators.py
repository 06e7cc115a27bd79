"""Which operators can be imported: the list for people, and what to do about the others."""
from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ONNX", "TFLITE", "Support", "instead"]


@dataclass(frozen=True)
class Support:
    """An operator of a file format, and under which conditions it runs."""

    name: str
    how: str


WINDOW = "kernels up to 7 x 7 (even ones and those off centre up to 4 x 4), stride 1 or 2, padding that keeps the " \
         "size or halves it"
TFLITE = (
    Support("CONV_2D", f"{WINDOW}; weights per channel or per tensor"),
    Support("DEPTHWISE_CONV_2D", f"{WINDOW}; depth multiplier 1"),
    Support("FULLY_CONNECTED", "of one pixel"),
    Support("ADD", "two tensors of one shape"),
    Support("MUL", "one factor has one value per channel, with zero point -128 (squeeze-and-excite)"),
    Support("AVERAGE_POOL_2D", "of the whole image"),
    Support("MEAN", "over height and width"),
    Support("MAX_POOL_2D", "kernels 3, 5, 7 with padding SAME"),
    Support("RELU, RELU6, LOGISTIC, TANH, HARD_SWISH, QUANTIZE", "exact tables; also RELU, RELU6 and RELU_N1_TO_1 "
            "fused into other operators"),
    Support("PAD", "of height and width, before convolutions"),
    Support("RESHAPE, SQUEEZE", "of one pixel"),
    Support("SOFTMAX", "at the end, where it is left out: results are logits"),
)
ONNX = (
    Support("Conv", f"{WINDOW}; group 1 or one per channel"),
    Support("Gemm, MatMul", "of one pixel"),
    Support("Add", "two tensors of one shape"),
    Support("Mul", "one factor has one value per channel, with zero point -128"),
    Support("GlobalAveragePool, ReduceMean", "over height and width"),
    Support("MaxPool", "kernels 3, 5, 7 with padding that keeps the size or halves it"),
    Support("Relu, Clip, Sigmoid, HardSigmoid, HardSwish, Tanh", "exact tables"),
    Support("Flatten, Reshape, Squeeze", "of one pixel"),
    Support("Softmax", "at the end, where it is left out"),
    Support("QuantizeLinear, DequantizeLinear", "round every tensor and weight, int8; weights with zero point 0"),
)
NEAREST = {"CONCATENATION": "use a sum of tensors", "TRANSPOSE_CONV": "the accelerator does not enlarge images",
           "RESIZE_BILINEAR": "the accelerator does not enlarge images", "SUB": "use ADD with negated weights",
           "LEAKY_RELU": "use RELU or HARD_SWISH", "PRELU": "use RELU or HARD_SWISH",
           "BATCH_MATMUL": "attention is not supported", "Concat": "use a sum of tensors",
           "AveragePool": "use GlobalAveragePool, or a convolution of stride 2", "LeakyRelu": "use Relu or HardSwish"}


def instead(name: str, supported: tuple[Support, ...]) -> str:
    """What to do about an operator that is not supported."""
    return NEAREST.get(name, "use one of " + ", ".join(s.name for s in supported))
