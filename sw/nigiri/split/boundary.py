"""Where a SubNet may be cut in two: between any two layers, with the tensors that cross the cut."""
from __future__ import annotations

from dataclasses import dataclass

from nigiri.compiler.graph import INPUT, Network, SubNet

__all__ = ["Boundary", "boundaries", "crossing"]


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """A cut before layer `at` (0: everything behind the cut; the number of layers: everything before it).

    tensors: (name, channels, height, width) of what crosses, int8 codes.  A cut inside a residual block has two.
    """

    at: int
    tensors: tuple[tuple[str, int, int, int], ...]

    @property
    def nbytes(self) -> int:
        """Payload of one image: a byte for every code."""
        return sum(c * h * w for _, c, h, w in self.tensors)


def crossing(network: Network, subnet: SubNet, at: int) -> tuple[str, ...]:
    """Names of the tensors that layers before `at` write (or the image) and layers from `at` on read, in the order in
    which they are written; behind the last layer the SubNet's output."""
    written = [INPUT]
    for layer in subnet.layers[:at]:
        written += [layer.name, f"{layer.name}.pool"]
    read = {t for layer in subnet.layers[at:] for t in layer.reads}
    if at == len(subnet.layers):
        read = {subnet.output}
    return tuple(t for t in written if t in read)


def boundaries(network: Network, subnet: SubNet) -> tuple[Boundary, ...]:
    """Every cut of a SubNet, from before the first layer to behind the last one."""
    shapes = {INPUT: network.input_shape(subnet)}
    for layer in subnet.layers:
        shapes[layer.name] = (layer.cout, *network.out_side(layer))
        shapes[f"{layer.name}.pool"] = (layer.cout, 1, 1)
    return tuple(Boundary(at=n, tensors=tuple((t, *shapes[t]) for t in crossing(network, subnet, n)))
                 for n in range(len(subnet.layers) + 1))
