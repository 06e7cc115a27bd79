"""Autograd wrappers of the CPU training kernels in ``fastcpu.cpp`` (several times faster on small networks)."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path

import torch
from torch.utils.cpp_extension import load

__all__ = ["batch_norm_relu", "depthwise"]

NHWC = (0, 2, 3, 1)


@functools.cache
def kernels():
    # torch looks for ninja on PATH; the package puts it beside this interpreter.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return load(
        "nigiri_fastcpu",
        [str(Path(__file__).with_suffix(".cpp"))],
        extra_cflags=["-O3", "-march=native", "-fopenmp", "-ffast-math", "-fno-finite-math-only"],
        extra_ldflags=["-fopenmp"],
    )


class _BatchNormReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, gamma, beta, relu):
        x = x.contiguous(memory_format=torch.channels_last)
        y, mean, var = kernels().bn_forward(x, gamma, beta, relu)
        ctx.relu = relu
        ctx.save_for_backward(x, gamma, beta, mean, var)
        return y

    @staticmethod
    def backward(ctx, dy):
        dy = dy.contiguous(memory_format=torch.channels_last)
        dx, dg, db = kernels().bn_backward(dy, *ctx.saved_tensors, ctx.relu)
        return dx, dg, db, None


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, stride):
        xs = x.contiguous(memory_format=torch.channels_last).permute(NHWC)
        ws = w.squeeze(1).permute(1, 2, 0).contiguous()
        ctx.stride = stride
        ctx.save_for_backward(xs, ws)
        return kernels().dw_forward(xs, ws, stride).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx, dy):
        ds = dy.contiguous(memory_format=torch.channels_last).permute(NHWC)
        dx, dw = kernels().dw_backward(ds, *ctx.saved_tensors, ctx.stride)
        return dx.permute(0, 3, 1, 2), dw.permute(2, 0, 1).unsqueeze(1), None


def batch_norm_relu(x, gamma, beta, relu: bool):
    """relu?(batch_norm(x)) with the batch's own statistics; x [N, C, H, W] float32, gamma and beta [C]."""
    return _BatchNormReLU.apply(x, gamma, beta, relu)


def depthwise(x, weight, stride: int):
    """Depthwise convolution with 'same' padding; x [N, C, H, W], weight [C, 1, k, k]."""
    return _Depthwise.apply(x, weight, stride)
