"""The steps of a program: loads, layers or bands of them, stores, each with the buffers that it touches.

A plan is a list of segments.  A segment of one band computes its layers one after the other, each as a whole.  A
segment of several bands computes all its layers for one band of rows of the last one, then for the next band; what
is not read behind the segment exists only as a band.  Rows that two bands need are computed twice, except in tensors
that are kept whole.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from nigiri.compiler.bands import Rows, cut, even, map_rows, reach, union
from nigiri.compiler.buffers import ALIGN, Buffer, Forms
from nigiri.compiler.cost import split_of
from nigiri.compiler.graph import INPUT, Layer, Network, SubNet
from nigiri.compiler.passes import pool_pass
from nigiri.spec.config import AcceleratorConfig

__all__ = ["SAMPLE", "Compute", "Load", "Schedule", "Segment", "Step", "Store"]


SAMPLE = 3
"""Bands at each end that stand for all when a segment is judged."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Layers `first` .. `end` - 1 of a SubNet in `bands` bands of rows."""

    first: int
    end: int
    bands: int = 1


@dataclass(kw_only=True, eq=False)
class Load:
    """Rows of the network's input or of a tensor in memory; all of it when `rows` is None.

    image: the first one of those of a batch that the buffer holds.
    """

    buffer: Buffer
    rows: Rows | None = None
    band: int = -1
    image: int = 0

    @property
    def words(self) -> int:
        """Pixel words that are moved."""
        return self.buffer.words

    @property
    def reads(self) -> tuple[Buffer, ...]:
        return ()

    @property
    def writes(self) -> tuple[Buffer, ...]:
        return (self.buffer,)


@dataclass(kw_only=True, eq=False)
class Store:
    """Rows of a tensor that does not stay in the activation buffer; all of it when `rows` is None.

    image: the first one of those of a batch that the buffer holds.
    """

    buffer: Buffer
    rows: Rows | None = None
    band: int = -1
    image: int = 0

    @property
    def words(self) -> int:
        """Pixel words that are moved."""
        return self.buffer.span(self.buffer.images)

    @property
    def reads(self) -> tuple[Buffer, ...]:
        return (self.buffer,)

    @property
    def writes(self) -> tuple[Buffer, ...]:
        return ()


@dataclass(kw_only=True, eq=False)
class Compute:
    """Rows of a layer's output.  out: None when only the pooled values are wanted.  band: -1 when not in bands.

    operand: how the second tensor of a product lies in memory; it has no place in the activation buffer.

    images: that are computed with the same weights, from number `image` of a batch on.
    """

    layer: Layer
    rows: Rows
    split: int
    source: Buffer
    out: Buffer | None
    residual: Buffer | None = None
    gate: Buffer | None = None
    pooled: Buffer | None = None
    operand: Buffer | None = None
    band: int = -1
    image: int = 0
    images: int = 1

    @property
    def reads(self) -> tuple[Buffer, ...]:
        return tuple(b for b in (self.source, self.residual, self.gate) if b)

    @property
    def writes(self) -> tuple[Buffer, ...]:
        return tuple(b for b in (self.out, self.pooled) if b)


Step = Load | Store | Compute


@dataclass(kw_only=True, eq=False)
class _Band:
    """The buffers of one band."""

    number: int
    want: dict[int, Rows]
    loads: dict[str, Rows]
    at: dict[str, Buffer] = field(default_factory=dict)


class Schedule:
    """Makes the steps of one SubNet from a plan.

    keep_all: also results that nothing but a pool reads are written.
    spilled: tensors that are stored in memory when they are made and loaded where they are read.
    forms: how tensors lie; with a batch, every step is for all its images, and every layer is computed whole.
    fetched: tensors that are in memory at first and kept in the activation buffer once they are loaded; what the SubNet
        starts with when left out.
    Operands of products are stored as soon as they are made.
    """

    def __init__(self, network: Network, subnet: SubNet, config: AcceleratorConfig, keep_all: bool = False,
                 spilled: frozenset[str] = frozenset(), *, forms: Forms | None = None,
                 fetched: frozenset[str] | None = None):
        self.network, self.layers, self.config, self.keep_all = network, subnet.layers, config, keep_all
        self.starts, self.operands = frozenset(subnet.starts), subnet.operands
        self.spilled, self.fetched = spilled, self.starts if fetched is None else fetched
        self.forms = forms or Forms(network, subnet, config, spilled)
        self.written = dict.fromkeys(subnet.starts, -1)
        self.last: dict[str, int] = {}
        for n, layer in enumerate(subnet.layers):
            self.written[layer.name] = self.written[f"{layer.name}.pool"] = n
            self.last |= dict.fromkeys(layer.sources, n)
        for t in self.operands & self.written.keys():
            self.last[t] = max(self.last.get(t, -1), self.written[t])
        self.last |= dict.fromkeys((t for t in subnet.ends if t not in self.starts), len(subnet.layers))
        self.whole: dict[str, Buffer] = {}
        self._splits: dict[tuple[str, int], int] = {}

    # what a segment needs

    def crossing(self, n: int) -> list[str]:
        """Tensors in the activation buffer that are read by layer `n` or later and were there before it."""
        return [t for t, last in self.last.items() if self.written[t] < n <= last and t not in self.spilled]

    def streamed(self, segment: Segment) -> set[str]:
        """Tensors that a segment in bands loads band by band: in memory, and read in plain order."""
        out = {t for n in range(segment.first, segment.end) for t in self.layers[n].sources
               if t in self.spilled and self.written[t] < segment.first}
        if INPUT in self.last and INPUT not in self.forms.polyphase and INPUT not in self.whole:
            out |= {INPUT} if self.last[INPUT] < segment.end else set()
        return out

    def bandable(self, segment: Segment) -> bool:
        """Whether the layers can be computed in bands: gates are known before, and global pools are made afterwards."""
        for n in range(segment.first, segment.end):
            layer = self.layers[n]
            if layer.operand or layer.name in self.operands:
                return False
            if any(self.written[t] >= segment.first and t.endswith(".pool") for t in layer.sources):
                return False
            if layer.scale and self.written[layer.scale.source] >= segment.first:
                return False
            if layer.pool and (self.last.get(layer.name, 0) < segment.end or not pool_pass(self.network, layer)):
                return False
            if layer.name in self.spilled and n < segment.end - 1 and self.last[layer.name] >= segment.end:
                return False
            if any(t in self.spilled and t in self.forms.polyphase for t in (layer.name, *layer.sources)):
                return False
        return self.layers[segment.end - 1].name in self.last

    # buffers

    def _whole(self, tensor: str) -> Buffer:
        if tensor not in self.whole:
            self.whole[tensor] = self.forms.buffer(tensor)
        return self.whole[tensor]

    def _over(self, n: int, out: Buffer) -> None:
        """Lets layer `n` write over an input that nobody reads afterwards."""
        layer = self.layers[n]
        if layer.residual and not out.phase and self.last[layer.residual.source] == n:
            source = self.whole.get(layer.residual.source)
            if (source and layer.residual.source != layer.source and source.stride == out.stride
                    and (source.images, source.image) == (out.images, out.image)):
                out.over, out.over_gap = source, 0
        source = self.whole.get(layer.source)
        if self.network.super_layer(layer).average and self.last[layer.source] == n and source and not source.phase:
            # Of several images, a block of the last one is written before later blocks of the first one are read.
            if source.stride >= out.stride and source.images == out.images == 1:
                # Block b of the result ends before block b of the source begins: nothing is overwritten too early.
                out.over, out.over_gap = source, out.stride + out.tail

    def _compute(self, n: int, rows: Rows, source: Buffer, out: Buffer | None, residual: Buffer | None,
                 ) -> Compute:
        layer = self.layers[n]
        s = self.network.super_layer(layer)
        first, end = map_rows(s, layer, rows)
        pixels = (end - first) * -(-layer.width // s.step)
        if (layer.name, pixels) not in self._splits:
            self._splits[layer.name, pixels] = split_of(s, layer, pixels, self.config, self.forms.batch)
        at_once = rows == (0, self.forms.rows(layer.name))
        return Compute(layer=layer, rows=rows, split=self._splits[layer.name, pixels], source=source, out=out,
                       residual=residual, gate=self._whole(layer.scale.source) if layer.scale else None,
                       pooled=self._whole(f"{layer.name}.pool") if layer.pool and at_once else None,
                       operand=self.forms.buffer(layer.operand) if layer.operand else None,
                       images=self.forms.batch)

    def _pool(self, n: int) -> Iterator[Step]:
        """The global pool of a layer that was computed in bands, as a pass over its whole result."""
        layer = self.layers[n]
        extra = pool_pass(self.network, layer)
        if extra:
            yield Compute(layer=extra, rows=(0, extra.height), split=0, source=self._whole(layer.name), out=None,
                          pooled=self._whole(f"{layer.name}.pool"))

    # steps

    def steps(self, plan: Iterable[Segment]) -> list[Step]:
        """All steps, with the live ranges of their buffers filled in."""
        out: list[Step] = []
        for segment in plan:
            out += self.segment(segment)
        self.live(out)
        return out

    def segment(self, segment: Segment, sample: bool = False) -> list[Step]:
        """The steps of one segment; tensors that exist before it are taken from `whole`.

        sample: of many bands only the first, a few inner ones and the last, to judge the segment by.
        """
        if segment.bands > 1:
            return list(self._banded(segment, sample))
        out: list[Step] = []
        for n in range(segment.first, segment.end):
            layer = self.layers[n]
            out += [Load(buffer=self._whole(t)) for t in dict.fromkeys(layer.sources)
                    if t in self.fetched and t not in self.whole]
            local = {t: self.forms.buffer(t) for t in (*layer.sources, layer.name) if t in self.spilled}
            out += [Load(buffer=b) for t, b in local.items() if t != layer.name]
            wanted = layer.name in self.last or self.keep_all
            residual = self._in(local, layer.residual.source) if layer.residual else None
            result = self._in(local, layer.name) if wanted else None
            if result:
                self._over(n, result)
            rows = (0, self.forms.rows(layer.name))
            out.append(self._compute(n, rows, self._in(local, layer.source), result, residual))
            if layer.name in local:
                out.append(Store(buffer=local[layer.name]))
            elif layer.name in self.operands and result:
                out.append(Store(buffer=result))
        return out

    def _in(self, local: dict[str, Buffer], tensor: str) -> Buffer:
        return local[tensor] if tensor in local else self._whole(tensor)

    def _bands(self, segment: Segment, sample: bool) -> list[_Band]:
        """What every band computes: rows by layer, without those of whole tensors that earlier bands have."""
        final = segment.end - 1
        name = self.layers[final].name
        done: dict[int, int] = {}
        out = []
        parts = list(enumerate(cut(self.forms.rows(name), segment.bands, self.forms.unit(name))))
        skipped = parts[-SAMPLE - 1] if sample and len(parts) > 2 * SAMPLE else None
        # The last band that is left out tells where the next one finds tensors that are kept.
        for number, rows in [*parts[:SAMPLE], skipped, *parts[-SAMPLE:]] if skipped else parts:
            want: dict[int, Rows] = {final: rows}
            last_band = rows[1] == self.forms.rows(name)
            loads: dict[str, Rows] = {}
            for n in range(final, segment.first - 1, -1):
                layer = self.layers[n]
                height = self.forms.rows(layer.name)
                kept = self.last[layer.name] >= segment.end
                if kept and last_band:
                    want[n] = union(want.get(n), (height - 1, height))
                if n not in want:
                    continue
                if layer.name in self.forms.polyphase:
                    want[n] = even(want[n], height)
                if kept:
                    first, done[n] = done.get(n, 0), max(done.get(n, 0), want[n][1])
                    want[n] = first, done[n]
                    if first == done[n]:
                        del want[n]
                        continue
                needs = [(layer.source, reach(self.network.super_layer(layer), layer, want[n]))]
                if layer.residual:
                    needs.append((layer.residual.source, want[n]))
                for tensor, part in needs:
                    if tensor in self.forms.moved and self.written[tensor] < segment.first:
                        loads[tensor] = union(loads.get(tensor), part)
                    elif self.written[tensor] >= segment.first:
                        want[self.written[tensor]] = union(want.get(self.written[tensor]), part)
            if skipped is None or number != skipped[0]:
                out.append(_Band(number=number, want=want, loads=loads))
        return out

    def _banded(self, segment: Segment, sample: bool = False) -> Iterator[Step]:
        final, streamed = segment.end - 1, self.streamed(segment)
        used = {t for n in range(segment.first, segment.end) for t in self.layers[n].sources}
        yield from [Load(buffer=self._whole(t)) for t in sorted(self.starts & used - streamed) if t not in self.whole]
        bands = self._bands(segment, sample)
        ahead = self._ahead(segment)
        replaces = self._replaces(segment) and self._safe(segment, bands, ahead)
        pending: list[Step] = []
        for band in bands:
            early = [n for n in ahead if n in band.want and replaces]
            for n in early:
                yield self._band_step(segment, band, n)
            yield from pending
            pending = []
            for tensor, rows in band.loads.items():
                if tensor in streamed:
                    lead = rows[0] * self.forms.shapes[tensor][2] % ALIGN
                    band.at[tensor] = self.forms.buffer(tensor, rows, band.number, lead)
                    yield Load(buffer=band.at[tensor], rows=rows, band=band.number)
            for n in range(segment.first, final):
                if n in band.want and n not in early:
                    yield self._band_step(segment, band, n)
            last = self._band_step(segment, band, final, replaces)
            # Held back while the next band still has to read what this step overwrites.
            pending = [last]
            if last.out and self.layers[final].name in self.spilled:
                pending.append(Store(buffer=last.out, rows=last.rows, band=band.number))
            if not (ahead and replaces):
                yield from pending
                pending = []
        yield from pending
        for n in range(segment.first, segment.end):
            if self.layers[n].pool and len(bands) > 1:
                yield from self._pool(n)

    def _safe(self, segment: Segment, bands: list[_Band], ahead: list[int]) -> bool:
        """Whether no band reads rows that the last layer wrote over two bands before."""
        for before, band in zip(bands, bands[2:], strict=False):
            for n in ahead:
                rows = reach(self.network.super_layer(self.layers[n]), self.layers[n], band.want[n])
                if rows[0] < before.want[segment.end - 1][1]:
                    return False
        return True

    def _ahead(self, segment: Segment) -> list[int]:
        """Layers that run one band ahead, because the last layer writes over the tensor that they read."""
        final = segment.end - 1
        layer = self.layers[final]
        source = layer.residual.source if layer.residual else ""
        if not self._replaces(segment):
            return []
        return [n for n in range(segment.first, final) if source in self.layers[n].sources]

    def _replaces(self, segment: Segment) -> bool:
        """Whether the last layer of a banded segment may write its bands over its residual input."""
        final = segment.end - 1
        layer = self.layers[final]
        if not layer.residual or layer.name in self.forms.polyphase or self.last[layer.residual.source] != final:
            return False
        source = layer.residual.source
        if source in self.starts or source == layer.source or self.written[source] >= segment.first:
            return False
        if {source, layer.name} & self.spilled:
            return False
        readers = [n for n in range(segment.first, final) if source in self.layers[n].sources]
        return all(set(self.layers[n].sources) == {source} and self.last[self.layers[n].name] < segment.end
                   for n in readers)

    def _band_step(self, segment: Segment, band: _Band, n: int, replaces: bool = False) -> Compute:
        layer, rows = self.layers[n], band.want[n]

        if self.last[layer.name] >= segment.end and layer.name not in self.spilled:
            out = self._whole(layer.name)
            if replaces and out.over is None:
                self._over(n, out)
        else:
            out = band.at[layer.name] = self.forms.buffer(layer.name, rows, band.number)
        residual = self._in(band.at, layer.residual.source) if layer.residual else None
        step = self._compute(n, rows, self._in(band.at, layer.source), out, residual)
        step.band = band.number
        return step

    @staticmethod
    def live(steps: Sequence[Step]) -> list[Buffer]:
        """Fill in `first` and `last` of every buffer; returns them in the order in which they are written."""
        found: dict[int, Buffer] = {}
        for n, step in enumerate(steps):
            for b in (*step.writes, *step.reads):
                if id(b) not in found:
                    found[id(b)] = b
                    b.first = n
                b.last = max(b.last, n)
        return list(found.values())
