"""From a quantised graph to a network of one SubNet that the compiler takes."""
from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from nigiri.compiler.graph import INPUT, Fold, Layer, Network, Pool, Residual, Scale, SubNet, SubNetInfo, SuperLayer
from nigiri.compiler.pack import pack_weights
from nigiri.compiler.passes import IDENTITY
from nigiri.importer import ir
from nigiri.importer.errors import UnsupportedModel, UnsupportedOperator
from nigiri.importer.windows import LARGEST, Window, embed
from nigiri.quant.fixed import common_shift, multiplier

__all__ = ["SUBNET", "lower", "lowered_places"]

SUBNET = "model"
"""Name of the one SubNet."""
CODES = np.arange(256).astype(np.uint8).view(np.int8)
"""The code of every byte, in the order of a table."""
FULL = (-128, 127)


def lower(graph: ir.Graph, input_table: np.ndarray, *, turned: bool = False, fold: bool = False) -> Network:
    """The network of a graph.

    input_table: int8 [channels, 256], the code of every pixel value.  turned: image and kernels by 180 degrees.
    fold: what lies under the first convolution's kernel becomes channels, if that is possible.

    Raises
    ------
    UnsupportedOperator, UnsupportedModel: with the place in the graph and what could be done.
    """
    return _Lowering(graph, turned, fold).network(input_table)


def lowered_places(graph: ir.Graph, network: Network) -> dict[str, str]:
    """Tensor of the network to the tensor of the graph that has its values (turned, if the network is).

    "LAYER.y" is what a layer makes before it adds a residual.
    """
    done = _Lowering(graph, network.turned, network.fold is not None)
    done.network(network.input_table)
    first = {where: name for name, where in reversed(done.where.items())} | done.terms
    return {name: first[name] for x in network.subnets[0].layers
            for name in (x.name, f"{x.name}.y", f"{x.name}.pool") if name in first}


class _Lowering:
    def __init__(self, graph: ir.Graph, turned: bool, fold: bool):
        self.graph, self.turned = graph, turned
        self.layers: list[Layer] = []
        self.supers: list[SuperLayer] = []
        self.words: list[np.ndarray] = []
        self.macs = 0
        self.where = {graph.input: INPUT}
        """Tensor of the graph to tensor of the network."""
        self.maker: dict[str, int] = {}
        """Tensor of the graph to the layer whose whole result it is."""
        self.uses = Counter(x for n in graph.nodes for x in n.inputs) + Counter([graph.output])
        self.shared: dict[str, int] = {}
        self.copies: dict[str, str] = {}
        self.terms: dict[str, str] = {}
        first = [n for n in graph.nodes if graph.input in n.inputs]
        foldable = len(first) == 1 and isinstance(first[0], ir.Conv) and not first[0].depthwise
        self.first = first[0] if fold and foldable else None
        self.fold: Fold | None = None

    # Weights.

    def _super(self, name: str, weights: np.ndarray, stride: int, depthwise: bool) -> int:
        cout, cin, k, _ = weights.shape
        s = SuperLayer(id=len(self.supers), name=name, cin=cout if depthwise else cin, cout=cout, kernel=k,
                       stride=stride, depthwise=depthwise, offset=sum(x.words for x in self.supers))
        self.supers.append(s)
        self.words.append(pack_weights(s, weights))
        return s.id

    def _shared(self, name: str, kernel: int, stride: int) -> int:
        """The layer for all channels: the identity, or a maximum pool."""
        if name not in self.shared:
            maximum = name != "identity"
            s = SuperLayer(id=len(self.supers), name=name, cin=8, cout=8, kernel=kernel, stride=stride,
                           depthwise=not maximum, maximum=maximum, shared=True,
                           offset=sum(x.words for x in self.supers))
            self.supers.append(s)
            self.words.append(np.zeros((s.words, 64), np.uint8) if maximum else IDENTITY.reshape(1, 64))
            self.shared[name] = s.id
        return self.shared[name]

    # Layers.

    def _plain(self, tensor: ir.Tensor, source: str, weights: int, kernel: int = 1, zp_in: int = 0) -> Layer:
        """A layer that passes codes on."""
        c = tensor.shape[2]
        return Layer(name=f"n{len(self.layers)}.{self.supers[weights].name}", weights=weights, cin=c, cout=c,
                     kernel=kernel, height=tensor.shape[0], width=tensor.shape[1], source=source, zp_in=zp_in,
                     zp_out=0, bias=np.zeros(c, np.int32), mult=np.ones(c, np.uint16), shift=np.zeros(c, np.uint8))

    def _add(self, layer: Layer, output: str) -> None:
        self.layers.append(layer)
        self.where[output], self.maker[output] = layer.name, len(self.layers) - 1

    def _identity(self, name: str) -> Layer:
        return self._plain(self.graph.tensors[name], self.where[name], self._shared("identity", 1, 1))

    def _open(self, name: str) -> int | None:
        """The layer that makes a tensor, if nothing else reads that and it has nothing behind it yet."""
        n = self.maker.get(name)
        if n is None or self.uses[name] > 1:
            return None
        x = self.layers[n]
        return None if x.residual or x.scale or x.pool or self.supers[x.weights].maximum else n

    def _strided(self, name: str) -> str:
        """A tensor for a layer of stride 2: a copy of its own if others read it pixel by pixel."""
        def steps(node: ir.Node) -> bool:
            return (isinstance(node, ir.Conv | ir.MaxPool) and node.stride == 2) or isinstance(node, ir.Pool)

        if all(steps(n) for n in self.graph.nodes if name in n.inputs) and name != self.graph.output:
            return self.where[name]
        if name not in self.copies:
            layer = self._identity(name)
            self.layers.append(layer)
            self.copies[name] = layer.name
        return self.copies[name]

    def _windows(self, node: ir.Conv | ir.MaxPool, kernel: tuple[int, int]) -> tuple[Window, Window]:
        shape, out = self.graph.tensors[node.inputs[0]].shape, self.graph.tensors[node.output].shape
        if node.stride not in (1, 2):
            raise UnsupportedOperator(type(node).__name__, node.place, f"stride {node.stride}", "use 1 or 2")
        if out[:2] != tuple(-(-n // node.stride) for n in shape[:2]):
            raise UnsupportedOperator(type(node).__name__, node.place,
                                      f"{shape[0]} x {shape[1]} pixels become {out[0]} x {out[1]} at stride "
                                      f"{node.stride}", "use padding 'SAME'")
        rows, columns = (Window.of(k, node.stride, pad, size, self.turned)
                         for k, pad, size in zip(kernel, node.pads, shape[:2], strict=True))
        if max(rows.kernel, columns.kernel) > LARGEST:
            raise UnsupportedOperator(type(node).__name__, node.place, f"a window of {kernel[0]} x {kernel[1]} pixels "
                                      f"here needs a kernel above {LARGEST}", "use a smaller kernel")
        return rows, columns

    def _conv(self, node: ir.Conv) -> None:
        x, y = self.graph.tensors[node.inputs[0]], self.graph.tensors[node.output]
        windows = self._windows(node, (node.weights.shape[2], node.weights.shape[3]))
        single = node.weights.shape[2:] == (1, 1) and not node.depthwise and node is not self.first
        single = single and not any(n % 2 for n in x.shape[:2])
        plane = 2 * windows[0].odd + windows[1].odd if single else 0
        w = node.weights if plane else embed(node.weights, *windows, self.turned)
        cout, cin, k, _ = w.shape
        self.macs += node.weights.size * y.pixels
        shape, stride = x.shape, node.stride
        if node is self.first:
            self.fold = Fold(kernel=k, stride=stride)
            w = np.ascontiguousarray(w.transpose(0, 2, 3, 1)).reshape(cout, -1, 1, 1)
            shape, stride, cin, k = (*y.shape[:2], w.shape[1]), 1, w.shape[1], 1
        source = self.where[node.inputs[0]] if stride == 1 else self._strided(node.inputs[0])
        # What the zero point of the input adds; padded pixels have its code as well.
        bias = node.bias - x.zp * w.astype(np.int64).sum((1, 2, 3))
        if np.abs(bias).max(initial=0) >= 2**31:
            raise UnsupportedModel(f"{node.place}: a bias does not fit 32 bits: quantise the model again")
        pairs = [multiplier(float(x.scale * s / y.scale)) for s in node.w_scale]
        name = f"n{len(self.layers)}.{'dw' if node.depthwise else 'conv'}"
        weights = self._super(name, w, stride, node.depthwise)
        self._add(Layer(name=name, weights=weights, cin=cout if node.depthwise else cin, cout=cout, kernel=k,
                        height=shape[0], width=shape[1], source=source, zp_in=x.zp, zp_out=y.zp,
                        bias=bias.astype(np.int32), mult=np.array([m for m, _ in pairs], np.uint16),
                        shift=np.array([s for _, s in pairs], np.uint8), act_min=node.low, act_max=node.high,
                        plane=plane), node.output)

    def _max_pool(self, node: ir.MaxPool) -> None:
        rows, columns = self._windows(node, (node.kernel, node.kernel))
        if rows != columns or rows.kernel != node.kernel or node.kernel == 1:
            raise UnsupportedOperator("MaxPool", node.place, f"its window of {node.kernel} x {node.kernel} is not "
                                      f"centred", "use kernel 3 with padding 'SAME', or a convolution of stride 2")
        x = self.graph.tensors[node.inputs[0]]
        source = self.where[node.inputs[0]] if node.stride == 1 else self._strided(node.inputs[0])
        weights = self._shared(f"max{node.kernel}s{node.stride}", node.kernel, node.stride)
        self._add(replace(self._plain(x, source, weights, node.kernel, -128), act_min=node.low, act_max=node.high),
                  node.output)

    def _pool(self, node: ir.Pool) -> None:
        x, y = self.graph.tensors[node.inputs[0]], self.graph.tensors[node.output]
        if (node.low, node.high) != FULL:
            raise UnsupportedOperator("Pool", node.place, "an activation behind it", "put it before the pool")
        n = self.maker.get(node.inputs[0])
        if n is None or self.layers[n].pool:
            layer = self._identity(node.inputs[0])
            self.layers.append(layer)
            n = len(self.layers) - 1
        mult, shift = multiplier(x.scale / y.scale / x.pixels)
        self.layers[n] = replace(self.layers[n], pool=Pool(mult=mult, shift=shift, zp=y.zp, offset=-x.pixels * x.zp))
        self.where[node.output] = f"{self.layers[n].name}.pool"

    def _sum(self, node: ir.Add) -> None:
        # Only a layer can add that runs after both terms are there.
        a, b = sorted(node.inputs, key=lambda t: self._made(t), reverse=True)
        n = self._open(a)
        if n is not None and n > self._made(b) and self.layers[n].name == self.where[a]:
            layer = self.layers[n]
            if (layer.act_min, layer.act_max) != FULL:           # its own activation comes before the sum
                clamp = np.clip(CODES, layer.act_min, layer.act_max).astype(np.int8)
                layer = replace(layer, table=clamp if layer.table is None else
                                np.clip(layer.table, layer.act_min, layer.act_max).astype(np.int8))
        else:
            layer, n = self._identity(a), None
        ta, tb, y = (self.graph.tensors[t] for t in (a, b, node.output))
        (mult_y, mult_r), shift = common_shift([ta.scale / y.scale, tb.scale / y.scale])
        layer = replace(layer, act_min=node.low, act_max=node.high, residual=Residual(
            source=self.where[b], mult_y=mult_y, mult_r=mult_r, shift=shift, zp_y=ta.zp, zp_res=tb.zp, zp_sum=y.zp))
        self.terms[f"{layer.name}.y"] = a
        if n is not None:
            del self.where[a], self.maker[a]       # the layer now makes the sum
        self._put(n, layer, node.output)

    def _made(self, tensor: str) -> int:
        """Number of the layer after which a tensor is there, -1 for the image."""
        name = self.where[tensor].removesuffix(".pool")
        return next((n for n, x in enumerate(self.layers) if x.name == name), -1)

    def _put(self, n: int | None, layer: Layer, output: str) -> None:
        """`layer` in place of number `n`, or as a new one."""
        if n is None:
            self._add(layer, output)
        else:
            self.layers[n] = layer
            self.where[output], self.maker[output] = layer.name, n

    def _gate(self, node: ir.Gate) -> None:
        x, gate, y = (self.graph.tensors[t] for t in (*node.inputs, node.output))
        if gate.zp != -128:
            raise UnsupportedOperator("Gate", node.place, f"its factor has zero point {gate.zp}",
                                      "use a sigmoid, whose results are positive")
        mult, shift = multiplier(256 * x.scale * gate.scale / y.scale)
        self._add(replace(self._identity(node.inputs[0]), act_min=node.low, act_max=node.high, scale=Scale(
            source=self.where[node.inputs[1]], mult=mult, shift=shift, zp_y=x.zp, zp_sum=y.zp)), node.output)

    def _unary(self, node: ir.Unary) -> None:
        n = self._open(node.inputs[0])
        layer = self._identity(node.inputs[0]) if n is None else self.layers[n]
        before = CODES if layer.table is None else layer.table
        table = node.table[np.clip(before, layer.act_min, layer.act_max).astype(np.int8).view(np.uint8)]
        if n is not None:
            del self.where[node.inputs[0]], self.maker[node.inputs[0]]
        self._put(n, replace(layer, table=table, act_min=node.low, act_max=node.high), node.output)

    def _same(self, node: ir.Same) -> None:
        a, b = node.inputs[0], node.output
        self.where[b] = self.where[a]
        if a in self.maker:
            self.maker[b] = self.maker[a]
            self.uses[b] += self.uses[a] - 1

    # The network.

    def network(self, input_table: np.ndarray) -> Network:
        graph = self.graph
        do = {ir.Conv: self._conv, ir.MaxPool: self._max_pool, ir.Pool: self._pool, ir.Add: self._sum,
              ir.Gate: self._gate, ir.Unary: self._unary, ir.Same: self._same}
        for node in graph.nodes:
            do[type(node)](node)  # type: ignore[operator]
        image, out = graph.tensors[graph.input], graph.tensors[graph.output]
        if out.pixels != 1:
            raise UnsupportedModel(f"the result {graph.output} has {out.shape[0]} x {out.shape[1]} pixels: only "
                                   f"classifiers are supported, end with a pool and a fully connected layer")
        if not self.layers or self._made(graph.output) != len(self.layers) - 1 or any(
                self.where[graph.output] in x.sources for x in self.layers):
            self._add(self._identity(graph.output), graph.output)
        weights = np.concatenate(self.words)
        used = sum(self.supers[x.weights].words for x in self.layers)
        info = SubNetInfo(name=SUBNET, macs=self.macs, weight_bytes=64 * used, accuracy_int8=0.0, accuracy_float=0.0)
        network = Network(name=graph.name, height=image.shape[0], width=image.shape[1], channels=image.shape[2],
                          classes=out.shape[2], input_table=input_table, input_zp=image.zp, layers=tuple(self.supers),
                          weights=weights, subnets=(SubNet(info=info, layers=tuple(self.layers)),), fold=self.fold,
                          turned=self.turned)
        network.check()
        return network
