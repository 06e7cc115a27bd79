"""One SubNet as a list of integer layers over the shared weights."""
from __future__ import annotations

import numpy as np

from nigiri.compiler.graph import INPUT, Layer, Pool, Residual
from nigiri.quant.fixed import common_shift, fold, multiplier
from nigiri.quant.ranges import Scale
from nigiri.quant.weights import SharedWeights
from nigiri.supernet.calibrate import Stats
from nigiri.supernet.model import EPS, SuperNet
from nigiri.supernet.space import SubNetConfig

__all__ = ["integer_layers"]


class _Builder:
    def __init__(self, net: SuperNet, shared: SharedWeights, stats: Stats, scales: dict[str, Scale]):
        self.net, self.shared, self.stats, self.scales = net, shared, stats, scales
        self.layers: list[Layer] = []
        self.source, self.height, self.width = INPUT, net.space.image, net.space.image

    def add(self, name: str, cout: int, kernel: int, slope: np.ndarray, offset: np.ndarray, residual: str | None = None,
            pool: bool = False) -> None:
        s, scale_in = self.shared.layer(name), self.scales[self.source]
        cin = cout if s.depthwise else (self.layers[-1].cout if self.layers else self.net.space.channels)
        own = self.scales[f"{name}.y" if residual else name]
        c = (s.kernel - kernel) // 2
        codes = self.shared.codes[name][:cout, :1 if s.depthwise else cin, c:c + kernel, c:c + kernel]
        bias, mult, shift = fold(slope=slope, offset=offset, s_in=scale_in.step, s_w=self.shared.scales[name][:cout],
                                 s_out=own.step, zp_in=scale_in.zp, sums=codes.reshape(cout, -1).sum(1, dtype=np.int64))
        self.layers.append(Layer(name=name, weights=s.id, cin=cin, cout=cout, kernel=kernel, height=self.height,
                                 width=self.width, source=self.source, bias=bias, mult=mult, shift=shift,
                                 zp_in=scale_in.zp, zp_out=own.zp, step=self.scales[name].step,
                                 residual=self._residual(name, residual) if residual else None,
                                 pool=self._pool(name, s.stride) if pool else None))
        self.source = f"{name}.pool" if pool else name
        self.height, self.width = (1, 1) if pool else (-(-self.height // s.stride), -(-self.width // s.stride))

    def _residual(self, name: str, source: str) -> Residual:
        y, r, total = self.scales[f"{name}.y"], self.scales[source], self.scales[name]
        (mult_y, mult_r), shift = common_shift([y.step / total.step, r.step / total.step])
        return Residual(source=source, mult_y=mult_y, mult_r=mult_r, shift=shift, zp_y=y.zp, zp_res=r.zp,
                        zp_sum=total.zp)

    def _pool(self, name: str, stride: int) -> Pool:
        one, mean = self.scales[name], self.scales[f"{name}.pool"]
        pixels = -(-self.height // stride) * -(-self.width // stride)
        mult, shift = multiplier(one.step / (pixels * mean.step))
        return Pool(mult=mult, shift=shift, zp=mean.zp, offset=-pixels * one.zp)


def integer_layers(net: SuperNet, config: SubNetConfig, shared: SharedWeights, stats: Stats,
                   scales: dict[str, Scale]) -> tuple[Layer, ...]:
    """The layers of a SubNet.

    Parameters
    ----------
    net: gives batch-norm's gamma and beta, and the bias of the classifier.
    stats: (mean, variance) of every layer's convolution output in this SubNet.
    scales: of "input" and of every tensor that :func:`nigiri.quant.ranges.measure` names.
    """
    b = _Builder(net, shared, stats, scales)
    residual: dict[str, str] = {}
    stream = "down"
    for _, block in net.space.active(config):
        project = f"{block.name}.project"
        if block.residual:
            residual[project] = stream
        stream = project
    for name, module, cout, kernel in net.layers(config):
        mean, var = (t.double().numpy() for t in stats[name])
        gamma, beta = (p.detach().double().numpy()[:cout] for p in (module.gamma, module.beta))
        slope = gamma / np.sqrt(var + EPS)
        b.add(name, cout, kernel, np.abs(slope), beta - slope * mean, residual.get(name), pool=name == "head")
    fc = net.fc
    b.add("fc", fc.out_features, 1, np.ones(fc.out_features), fc.bias.detach().double().numpy())
    return tuple(b.layers)
