"""OFA-MobileNetV3: inverted residuals with elastic kernel, expansion and depth, squeeze-and-excite and h-swish.

A choice: depth of five (blocks of a stage, 2..4), expand and kernel of twenty (four blocks for each stage; those beyond
the depth are unused).
"""
from __future__ import annotations

from nigiri.compiler.graph import SuperLayer
from nigiri.zoo.pareto import PARETO
from nigiri.zoo.plan import Act, Builder, Choice, Family, Step, divisible, renumber

__all__ = ["MobileNetV3"]

BASE = (16, 16, 24, 40, 80, 112, 160)
STRIDES = (2, 2, 2, 1, 2)
EXCITE = (False, True, False, True, True)
"""Stages with squeeze-and-excite; the first two have ReLU, the others h-swish."""
PLAIN = 2
DEPTH, EXPAND, KERNEL = 4, 6, 7
CLASSES = 1000


def _uniform(side: int, depth: int, expand: int, kernel: int) -> Choice:
    return Choice(side=side, depth=(depth,) * 5, expand=(expand,) * 20, kernel=(kernel,) * 20)


def _pareto(side: int, depth: str, expand: str, kernel: str) -> Choice:
    return Choice(side=side, depth=tuple(map(int, depth)), expand=tuple(map(int, expand)),
                  kernel=tuple(map(int, kernel)))


class MobileNetV3(Family):
    """The family of one width multiplier."""

    def __init__(self, name: str, width: float, smallest: int):
        """smallest: image side of the smallest SubNet."""
        self.name = name
        self.first = divisible(BASE[0] * width)
        self.widths = tuple(divisible(c * width) for c in BASE[1:])
        self.head, self.mix = divisible(960 * width), divisible(1280 * width)
        pareto = {f"p{n}": _pareto(*p) for n, p in enumerate(PARETO[name])}
        self.choices = {"min": _uniform(smallest, 2, 3, 3), **pareto, "mid": _uniform(192, 3, 4, 5),
                        "max": _uniform(224, DEPTH, EXPAND, KERNEL)}

    def layers(self) -> tuple[SuperLayer, ...]:
        out: list[SuperLayer] = []

        def add(name: str, cin: int, cout: int, kernel: int = 1, stride: int = 1, **kind: bool) -> None:
            out.append(SuperLayer(id=0, name=name, cin=cin, cout=cout, kernel=kernel, stride=stride, **kind))

        add("stem", 27, self.first)
        add("b0.dw", self.first, self.first, 3, depthwise=True)
        add("b0.project", self.first, self.widths[0])
        add("identity", 8, 8, depthwise=True, shared=True)
        cin = self.widths[0]
        for s, cout in enumerate(self.widths[1:]):
            for b in range(DEPTH):
                at, mid = f"s{s}.b{b}", divisible(cin * EXPAND)
                add(f"{at}.expand", cin, mid)
                add(f"{at}.dw", mid, mid, KERNEL, 1 if b else STRIDES[s], depthwise=True)
                if EXCITE[s]:
                    add(f"{at}.se1", mid, divisible(mid // 4))
                    add(f"{at}.se2", divisible(mid // 4), mid)
                add(f"{at}.project", mid, cout)
                cin = cout
        add("head", cin, self.head)
        add("mix", self.head, self.mix)
        add("fc", self.mix, CLASSES)
        return renumber(out)

    def steps(self, choice: Choice) -> list[Step]:
        net = Builder(choice.side, {s.name: s.stride for s in self.layers()}, 16)
        start = net.add("stem", self.first, Act.HSWISH)
        net.add("b0.dw", self.first, Act.RELU, kernel=3)
        net.add("b0.project", self.widths[0], Act.LINEAR, residual=start if self.first == self.widths[0] else "")
        for s, cout in enumerate(self.widths[1:]):
            for b in range(choice.depth[s]):
                self._block(net, s, b, cout, int(choice.expand[4 * s + b]), choice.kernel[4 * s + b])
        net.add("head", self.head, Act.HSWISH, pool=True)
        net.pooled()
        net.add("mix", self.mix, Act.HSWISH)
        net.add("fc", CLASSES, Act.LINEAR)
        return net.steps

    def _block(self, net: Builder, stage: int, block: int, cout: int, expand: int, kernel: int) -> None:
        at, start, act = f"s{stage}.b{block}", net.source, Act.RELU if stage < PLAIN else Act.HSWISH
        mid = divisible(net.channels * expand)
        net.add(f"{at}.expand", mid, act)
        net.add(f"{at}.dw", mid, act, kernel=kernel, pool=EXCITE[stage])
        if EXCITE[stage]:
            whole = net.state()
            net.pooled()
            net.add(f"{at}.se1", divisible(mid // 4), Act.RELU)
            gate = net.add(f"{at}.se2", mid, Act.HSIGMOID)
            net.back(whole)
            net.add(f"{at}.scale", mid, Act.NONE, weights="identity", scale=gate)
        net.add(f"{at}.project", cout, Act.LINEAR, residual=start if block else "")
