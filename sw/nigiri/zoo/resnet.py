"""OFA-ResNet50: the elastic ResNet-50-D of Once-for-All (kernels 1 and 3, average pools in the shortcuts).

A choice: depth of five (residual layer of the stem, 0 or 2; blocks beyond the base of each stage, 0..2), width of six
(indices: two stem layers and four stages), expand of 18 (bottleneck width over block width, four, four, six and four
blocks; those beyond the depth are unused).
"""
from __future__ import annotations

from nigiri.compiler.graph import SuperLayer
from nigiri.zoo.plan import Act, Builder, Choice, Family, Step, divisible, renumber

__all__ = ["ResNet50"]

STEM = ((24, 24, 32), (40, 48, 64))
STAGES = ((168, 208, 256), (336, 408, 512), (664, 816, 1024), (1328, 1640, 2048))
BLOCKS = (2, 2, 4, 2)
MOST = tuple(n + 2 for n in BLOCKS)
EXPANDS = (0.2, 0.25, 0.35)
CLASSES = 1000


def _digits(text: str) -> tuple[float, ...]:
    """Expand ratios of the blocks of a SubNet, 0 to 2 for the smallest to the largest, "-" for unused."""
    return tuple(EXPANDS[int(c)] if c != "-" else 0.0 for c in text.replace(" ", ""))


def _choice(side: int, depth: str, width: str, expand: str) -> Choice:
    return Choice(side=side, depth=tuple(map(int, depth)), width=tuple(map(int, width)), expand=_digits(expand))


class ResNet50(Family):
    """The family; its SubNets A..F are the published ones by which weight caching has been evaluated before."""

    name = "ofa_resnet50"
    choices = {  # noqa: RUF012
        "A": _choice(160, "00010", "000001", "00-- 00-- 00010- 01--"),
        "B": _choice(160, "00111", "020011", "01-- 010- 00100- 111-"),
        "C": _choice(192, "02211", "020012", "1100 1110 01111- 111-"),
        "D": _choice(192, "22212", "020022", "1111 2110 00110- 1210"),
        "E": _choice(224, "22222", "020121", "1210 1111 102110 2211"),
        "F": _choice(224, "22222", "020222", "1112 0102 111000 1120"),
    }

    def layers(self) -> tuple[SuperLayer, ...]:
        out: list[SuperLayer] = []

        def add(name: str, cin: int, cout: int, kernel: int = 1, stride: int = 1, **kind: bool) -> None:
            out.append(SuperLayer(id=0, name=name, cin=cin, cout=cout, kernel=kernel, stride=stride, **kind))

        first, stem = STEM[0][-1], STEM[1][-1]
        add("stem0", 27, first)
        add("stem1", first, first, 3)
        add("stem2", first, stem, 3)
        add("maxpool", 8, 8, 3, 2, maximum=True, shared=True)
        add("avgpool", 8, 8, 3, 2, depthwise=True, shared=True)
        cin = stem
        for s, widths in enumerate(STAGES):
            cout = widths[-1]
            mid = divisible(round(cout * EXPANDS[-1]))
            for b in range(MOST[s]):
                at = f"s{s}.b{b}"
                add(f"{at}.conv1", cin, mid)
                add(f"{at}.conv2", mid, mid, 3, 2 if s and not b else 1)
                add(f"{at}.conv3", mid, cout)
                if not b:
                    add(f"{at}.down", cin, cout)
                cin = cout
        add("fc", cin, CLASSES)
        return renumber(out)

    def steps(self, choice: Choice) -> list[Step]:
        net = Builder(choice.side, {s.name: s.stride for s in self.layers()}, 32)
        net.add("stem0", STEM[0][choice.width[0]], Act.RELU)
        if choice.depth[0]:
            net.add("stem1", net.channels, Act.RELU, kernel=3, residual=net.source)
        net.add("stem2", STEM[1][choice.width[1]], Act.RELU, kernel=3)
        net.add("maxpool", net.channels, Act.NONE, kernel=3)
        for s in range(4):
            cout, blocks = STAGES[s][choice.width[2 + s]], BLOCKS[s] + choice.depth[1 + s]
            for b in range(blocks):
                last = s == 3 and b == blocks - 1
                self._block(net, s, b, cout, divisible(round(cout * choice.expand[sum(MOST[:s]) + b])), last)
        net.pooled()
        net.add("fc", CLASSES, Act.LINEAR)
        return net.steps

    def _block(self, net: Builder, stage: int, block: int, cout: int, mid: int, pool: bool) -> None:
        at, start = f"s{stage}.b{block}", net.state()
        shortcut = net.source
        if not block:
            if stage:
                net.add(f"{at}.avg", net.channels, Act.NONE, weights="avgpool", kernel=3)
            shortcut = net.add(f"{at}.down", cout, Act.LINEAR)
            net.back(start)
        net.add(f"{at}.conv1", mid, Act.RELU)
        net.add(f"{at}.conv2", mid, Act.RELU, kernel=3)
        net.add(f"{at}.conv3", cout, Act.LINEAR, residual=shortcut, relu_sum=True, pool=pool)
