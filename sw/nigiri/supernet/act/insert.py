"""Puts SubNetAct's operators into an ordinary model (Algorithm 1 of the paper)."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from nigiri.supernet.act.control import Control
from nigiri.supernet.act.errors import BadTags
from nigiri.supernet.act.operators import AttentionSlice, ConvSlice, LayerSelect, LinearSlice, SubnetNorm
from nigiri.supernet.act.supernet import ActuatedSuperNet, Tags

__all__ = ["insert"]

SLICES: dict[type[nn.Module], type[nn.Module]] = {nn.Conv2d: ConvSlice, nn.Linear: LinearSlice,
                                                  nn.MultiheadAttention: AttentionSlice}


def insert(model: nn.Module, tags: Tags, example: Tensor) -> ActuatedSuperNet:
    """Replaces modules of `model` in place: stages by LayerSelect, what is inside them by WeightSlice, every batch norm
    by SubnetNorm; parameters stay the same objects.

    example: an input, with which it is checked that the blocks that may be left out preserve the shape.

    Raises
    ------
    BadTags: no stage is tagged, a tagged module is missing or of another kind, or a block changes the shape.
    """
    if not tags.stages:
        raise BadTags("no stage is tagged: name at least one nn.Sequential of blocks")
    stages: dict[str, nn.Sequential] = {}
    for name, elastic in tags.stages.items():
        try:
            stage = model.get_submodule(name)
        except AttributeError:
            raise BadTags(f"the model has no module {name!r}: tag one of its nn.Sequential") from None
        if not isinstance(stage, nn.Sequential) or not len(stage):
            raise BadTags(f"stage {name} is no nn.Sequential of blocks: put its blocks into one")
        for n, block in enumerate(stage):
            for part in elastic:
                if type(dict(block.named_modules()).get(part)) not in SLICES:
                    raise BadTags(f"stage {name}, block {n}: {part} is no convolution, linear layer or attention: tag "
                                  f"one of these")
        stages[name] = stage
    _check_shapes(model, stages, example)

    control = Control()
    slices: list[tuple[str, nn.Module, bool]] = []
    norms: list[SubnetNorm] = []
    selects: dict[str, LayerSelect] = {}
    for number, (name, stage) in enumerate(stages.items()):
        for block in stage:
            for part, module in list(block.named_modules()):
                kind = SLICES.get(type(module))
                if kind and not any(part.startswith(f"{a}.") and isinstance(m, AttentionSlice)
                                    for a, m in block.named_modules()):
                    op = kind(module, control, len(slices))  # type: ignore[call-arg]
                    slices.append((name, op, part in tags.stages[name]))
                    _replace(block, part, op)
        selects[name] = LayerSelect(stage, control, number)
        _replace(model, name, selects[name])
    for part, module in list(model.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            norms.append(SubnetNorm(module, control, len(norms)))
            _replace(model, part, norms[-1])
    return ActuatedSuperNet(model.eval(), tags, control, selects, slices, norms, example)


def _replace(root: nn.Module, name: str, new: nn.Module) -> None:
    path, _, last = name.rpartition(".")
    parent = root.get_submodule(path)
    setattr(parent, last, new)
    if isinstance(parent, LayerSelect):          # never: stages are replaced last
        raise AssertionError


@torch.no_grad()
def _check_shapes(model: nn.Module, stages: dict[str, nn.Sequential], example: Tensor) -> None:
    wrong: list[str] = []

    def hook(name: str, n: int):                  # type: ignore[no-untyped-def]
        def look(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            if inputs[0].shape != output.shape:
                wrong.append(f"stage {name}: block {n} changes the shape {list(inputs[0].shape)} to "
                             f"{list(output.shape)}, so it cannot be left out: only the first block of a stage may")
        return look

    handles = [block.register_forward_hook(hook(name, n)) for name, stage in stages.items()
               for n, block in enumerate(stage) if n]
    training = model.training
    model.eval()
    try:
        model(example)
    finally:
        model.train(training)
        for h in handles:
            h.remove()
    if wrong:
        raise BadTags(wrong[0])
