"""Rules that the layers of a SubNet must obey; the rest of the compiler relies on them."""
from __future__ import annotations

from collections.abc import Iterator

from nigiri.compiler.graph import INPUT, Layer, Network, SubNet
from nigiri.spec.descriptor import MAX_SIDE

__all__ = ["problems"]


def problems(network: Network, subnet: SubNet) -> Iterator[str]:
    """Every rule that a SubNet breaks."""
    shapes: dict[str, tuple[int, int, int]] = {INPUT: network.input_shape(subnet)}
    if subnet.entries:
        shapes = {e.name: (e.channels, e.height, e.width) for e in subnet.entries}
    strides: dict[str, int] = {}
    if not subnet.layers:
        yield "must have at least one layer"
    for layer in subnet.layers:
        if not 0 <= layer.weights < len(network.layers):
            yield f"layer {layer.name}: SuperNet layer {layer.weights} does not exist"
        s = network.super_layer(layer)
        inside = s.shared or s.product or (layer.cout <= s.cout and layer.cin <= s.cin)
        if not (inside and 1 <= layer.cout and 1 <= layer.cin and layer.kernel <= s.kernel):
            yield (f"layer {layer.name}: {layer.cin} -> {layer.cout} channels, kernel {layer.kernel} "
                   f"are not a part of {s.name}")
        if s.average and (layer.residual or layer.scale or layer.pool):
            yield f"layer {layer.name}: an average pool takes no residual, scale or global pool"
        if s.stride not in (1, 2) or layer.kernel not in ((3, 5, 7) if s.maximum else (1, 3, 5, 7)):
            yield f"layer {layer.name}: kernel {layer.kernel} with stride {s.stride} is not supported"
        yield from _product_problems(network, layer, shapes, strides)
        if layer.plane and not (layer.plane in (1, 2, 3) and layer.kernel == 1 and s.stride == 2
                                and not s.own_block and not (layer.height % 2 or layer.width % 2)):
            yield f"layer {layer.name}: only dense layers of kernel 1 and stride 2 over even images read one plane"
        if s.own_block and layer.cin != layer.cout:
            yield (f"layer {layer.name}: a depthwise or maximum layer must have as many outputs as inputs, "
                   f"not {layer.cin} -> {layer.cout}")
        if max(layer.height, layer.width) > MAX_SIDE:
            yield f"layer {layer.name}: image {layer.width} x {layer.height} is larger than {MAX_SIDE}"
        have = shapes.get(layer.source)
        if have != (layer.cin, layer.height, layer.width):
            yield (f"layer {layer.name}: reads {layer.source} as {layer.cin} x {layer.height} x {layer.width}, "
                   f"but that is {'missing' if have is None else ' x '.join(map(str, have))}")
        for key, array in (("bias", layer.bias), ("mult", layer.mult), ("shift", layer.shift)):
            if array.shape != (layer.cout,):
                yield f"layer {layer.name}: {key} must have {layer.cout} values, not {list(array.shape)}"
        if strides.setdefault(layer.source, s.step) != s.step:
            yield (f"layer {layer.name}: {layer.source} is read with stride 1 and with stride 2; "
                   f"a tensor has one pixel order")
        shape = (layer.cout, *network.out_side(layer))
        if layer.residual:
            if shapes.get(layer.residual.source) != shape:
                yield f"layer {layer.name}: residual {layer.residual.source} does not have the shape of the result"
            if strides.setdefault(layer.residual.source, 1) != 1:
                yield f"layer {layer.name}: residual {layer.residual.source} is also read with stride 2"
        if layer.scale:
            if strides.setdefault(layer.scale.source, 1) != 1:
                yield f"layer {layer.name}: scale {layer.scale.source} is also read with stride 2"
            if shapes.get(layer.scale.source) != (layer.cout, 1, 1):
                yield f"layer {layer.name}: scale {layer.scale.source} must have {layer.cout} channels of one pixel"
            if layer.residual:
                yield f"layer {layer.name}: a scale and a residual exclude each other"
        if s.average:
            strides[layer.name] = 1
        if layer.name in subnet.operands and layer.act_min < -127:
            yield f"layer {layer.name}: an operand of a product has codes from -127 on: set act_min"
        if layer.name in shapes:
            yield f"layer {layer.name}: the name is taken"
        shapes[layer.name] = shape
        if layer.pool:
            shapes[f"{layer.name}.pool"] = (layer.cout, 1, 1)
    for name in subnet.exits:
        if name not in shapes:
            yield f"exit {name} is no tensor of the part"
    if not subnet.exits and subnet.output in strides:
        yield f"the last layer's output {subnet.output} is read by another layer"


def _product_problems(network: Network, layer: Layer, shapes: dict[str, tuple[int, int, int]],
                      strides: dict[str, int]) -> Iterator[str]:
    """Rules of products, and of layers that are none."""
    s = network.super_layer(layer)
    if not s.product:
        if layer.operand or s.transpose:
            yield f"layer {layer.name}: only a product has an operand or a transpose"
        return
    if layer.kernel != 1 or s.stride != 1 or s.own_block or s.shared or layer.plane:
        yield f"layer {layer.name}: a product is a dense layer of kernel 1 and stride 1"
    if layer.zp_in:
        yield f"layer {layer.name}: the source of a product must have zero point 0, not {layer.zp_in}"
    have = shapes.get(layer.operand)
    if have is None:
        yield f"layer {layer.name}: its operand {layer.operand or '(none)'} is missing"
        return
    pixels, side = have[1] * have[2], (layer.cout, layer.cin) if s.transpose else (layer.cin, layer.cout)
    if (have[0], pixels) != side or pixels % 8 or have[0] % 8:
        yield (f"layer {layer.name}: operand {layer.operand} must have {side[0]} channels and {side[1]} pixels, "
               f"both multiples of 8, not {have[0]} and {pixels}")
    if strides.setdefault(layer.operand, 1) != 1:
        yield f"layer {layer.name}: operand {layer.operand} is also read with stride 2"
