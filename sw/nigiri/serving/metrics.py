"""Prometheus metrics of the service, and the dispatcher's state read when they are asked for."""
from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from nigiri.serving.backend import Launched
from nigiri.serving.dispatcher import Dispatcher
from nigiri.serving.errors import ServingError
from nigiri.serving.observer import Observer
from nigiri.serving.replica import Replica
from nigiri.serving.request import Answer, Targets

__all__ = ["Metrics"]

BUCKETS = (0.2e-3, 0.5e-3, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class _State(Collector):
    def __init__(self, dispatcher: Dispatcher) -> None:
        self._d = dispatcher

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("nigiri_queue_images", "Images that wait.", value=self._d.waiting)
        yield GaugeMetricFamily("nigiri_pending_images", "Images accepted and not yet answered.", value=self._d.pending)
        up = GaugeMetricFamily("nigiri_device_up", "Whether a device works.", labels=["device"])
        clock = GaugeMetricFamily("nigiri_device_clock_hertz", "Clock of a device.", labels=["device"])
        column = GaugeMetricFamily("nigiri_device_cached_subgraph", "Column of the latency table that is cached.",
                                   labels=["device"])
        for r in self._d.replicas:
            up.add_metric([r.name], float(r.state == "up"))
            column.add_metric([r.name], r.column)
            if r.backend is not None:
                clock.add_metric([r.name], 1e6 * r.backend.clock_mhz)
        yield from (up, clock, column)


class Metrics(Observer):
    """Counters and histograms; :meth:`text` is what /metrics answers."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self._answered = Counter("nigiri_images", "Images answered, by SubNet.", ["subnet"], registry=r)
        self._in_time = Counter("nigiri_images_in_time", "Of them within their targets.", registry=r)
        self._refused = Counter("nigiri_images_refused", "Images refused, by reason.", ["reason"], registry=r)
        self._total = Histogram("nigiri_request_seconds", "From arrival to answer.", registry=r, buckets=BUCKETS)
        self._device = Histogram("nigiri_device_seconds", "Time on the device.", registry=r, buckets=BUCKETS)
        self._bytes = Counter("nigiri_device_bytes", "Off-chip (dram) and persistent-buffer (pb) bytes.",
                              ["device", "kind"], registry=r)
        self._energy = Counter("nigiri_energy_joules", "By the named energy constants.", registry=r)
        self._faults = Counter("nigiri_device_faults", "Times that a device was taken out.", ["device"], registry=r)
        self._changes = Counter("nigiri_cache_changes", "SubGraphs loaded.", ["device"], registry=r)

    def attach(self, dispatcher: Dispatcher) -> None:
        """Show its state too."""
        self.registry.register(_State(dispatcher))

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return bytes(generate_latest(self.registry))

    def answered(self, answer: Answer, targets: Targets) -> None:
        self._answered.labels(answer.subnet).inc()
        if answer.total_ms <= targets.deadline_ms and answer.device_ms <= targets.latency_ms:
            self._in_time.inc()
        self._total.observe(answer.total_ms / 1e3)
        self._device.observe(answer.device_ms / 1e3)
        self._energy.inc(answer.energy_mj / 1e3)

    def refused(self, count: int, error: ServingError, targets: Targets | None) -> None:
        self._refused.labels(type(error).__name__).inc(count)

    def launched(self, replica: Replica, row: int, count: int, launch: Launched) -> None:
        self._bytes.labels(replica.name, "dram").inc(launch.dram_bytes)
        self._bytes.labels(replica.name, "pb").inc(launch.pb_bytes)

    def loaded(self, replica: Replica, column: int) -> None:
        self._changes.labels(replica.name).inc()

    def fault(self, replica: Replica, reason: str) -> None:
        self._faults.labels(replica.name).inc()
