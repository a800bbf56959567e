"""What a daemon counts, as Prometheus reads it: settings, and the text of all values.

    Counters, gauges ──▶ exposition ──▶ ops.metrics_service ◀── Prometheus, every so many seconds

prometheus_client is imported when somebody asks for the first time. Numbers only: labels come from
sets that are closed when the daemon is built, or that its configuration names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from ops.config import Invalid
from ops.counter import Counters, Family, Gauge, Histogram
from ops.setting import Port

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric


class MetricsSettings(Struct, frozen=True, kw_only=True):
    """Metrics for Prometheus, at http://…/metrics. They are numbers only, for everybody who reaches
    the port. See docs/monitoring.md."""

    enabled: bool = False
    """Serve them."""
    addresses: tuple[Annotated[str, Meta(min_length=2, max_length=45)], ...] = ("127.0.0.1",)
    """Addresses of this computer to listen on, IPv4 or IPv6; "0.0.0.0" is all of IPv4."""
    port: Port = 9067
    """TCP port."""

    def __post_init__(self) -> None:
        for number, address in enumerate(self.addresses):
            try:
                ip_address(address)
            except ValueError:
                remedy = 'give an address such as "192.168.1.10" or "::1"'
                raise Invalid(f"addresses[{number}]", "is no IP address", remedy) from None


def exposition(counters: Counters, accept: str = "") -> tuple[bytes, str]:
    """All values now, and the type of the text, as Prometheus says that it likes it (`accept`)."""
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.registry import CollectorRegistry

    registry = CollectorRegistry()
    registry.register(_Collected(counters))
    encode, kind = choose_encoder(accept)
    return encode(registry), kind


class _Collected:
    """What prometheus_client asks for values."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import CounterMetricFamily

        counters = self._counters
        for counter in counters.plain:
            yield CounterMetricFamily(counter.name, _sentence(counter.help), value=counter.value)
        yield from map(_labelled, counters.families)
        for gauge in counters.gauges.values():
            yield from _read(gauge)
        yield from map(_distribution, counters.histograms.values())
        yield from _process()


def _sentence(help: str) -> str:
    return help.rstrip(".") + "."


def _labelled(family: Family) -> Metric:
    from prometheus_client.metrics_core import CounterMetricFamily

    made = CounterMetricFamily(family.name, _sentence(family.help), labels=[family.label])
    for value, counter in family.members.items():
        made.add_metric([value], counter.value)
    return made


def _read(gauge: Gauge) -> Iterator[Metric]:
    from prometheus_client.metrics_core import GaugeMetricFamily

    found = gauge.read()
    if gauge.label is None:
        if isinstance(found, (int, float)):
            yield GaugeMetricFamily(gauge.name, _sentence(gauge.help), value=found)
        return
    made = GaugeMetricFamily(gauge.name, _sentence(gauge.help), labels=[gauge.label])
    if found is not None and not isinstance(found, (int, float)):
        for value, number in found.items():
            made.add_metric([value], number)
    yield made


def _distribution(histogram: Histogram) -> Metric:
    from prometheus_client.metrics_core import HistogramMetricFamily

    buckets, sum_so_far = [], 0
    for bound, number in histogram.buckets():
        sum_so_far += number
        buckets.append(("+Inf" if bound is None else str(bound), float(sum_so_far)))
    return HistogramMetricFamily(
        histogram.name, _sentence(histogram.help), buckets=buckets, sum_value=histogram.total()
    )


def _process() -> Iterable[Metric]:
    """This process, by the names that all programs have for it."""
    import psutil
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

    process = psutil.Process()
    with process.oneshot():
        times = process.cpu_times()
        yield CounterMetricFamily(
            "process_cpu_seconds_total",
            "Time of the processor that was used.",
            value=times.user + times.system,
        )
        memory = process.memory_info()
        for name, help, value in (
            ("resident_memory_bytes", "Memory in use.", memory.rss),
            ("virtual_memory_bytes", "Memory that is addressed.", memory.vms),
            ("start_time_seconds", "Start, in seconds since 1970.", process.create_time()),
            ("threads", "Threads.", process.num_threads()),
        ):
            yield GaugeMetricFamily(f"process_{name}", help, value=value)
        if hasattr(process, "num_fds"):
            yield GaugeMetricFamily("process_open_fds", "Open files.", value=process.num_fds())
    most = _most_files()
    if most is not None:
        yield GaugeMetricFamily("process_max_fds", "Files that may be open.", value=most)


def _most_files() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
