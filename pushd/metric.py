"""What pushd tells Prometheus beside its counters: gauges, and counters that belong together.

Imported only where `[metrics]` is enabled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ops.counter import Counters
from ops.metrics_service import MetricsService
from protocols.apns.message import Notification, PushType
from protocols.apns.reason import Reason
from pushd.config import Config
from pushd.meter import DISPOSITIONS, LATENCIES, SLOWER, bucket_name
from pushd.outcome import Accepted, Cancelled, Collapsed, Expired, Failed, Rejected
from pushd.results import Settled
from pushd.world import World

if TYPE_CHECKING:
    from pushd.service import PushService

OUTCOMES = {
    Accepted: "accepted",
    Rejected: "rejected",
    Failed: "failed",
    Expired: "expired",
    Cancelled: "cancelled",
    Collapsed: "collapsed",
}
BROADCAST = "broadcast"
"""The type of what goes to a channel."""
OTHER = "other"
"""A reason that is not in Apple's list, or none."""


def metrics(service: PushService, config: Config, world: World) -> MetricsService:
    """The service that serves the metrics of `service`; they are declared now."""
    counters = service.counters
    _declare(service, config, world.unix)
    _group(service)
    service.queue.results.observe(_settled(counters))
    return MetricsService(world.reactor, config.metrics, counters=counters, daemon="pushd")


def _declare(service: PushService, config: Config, unix: Callable[[], float]) -> None:
    gauge, queue = service.counters.gauge, service.queue
    gauge("pushd_queue_waiting_pushes", "Pushes that wait or are in flight.", lambda: queue.depth)
    gauge("pushd_queue_waiting_bytes", "Bytes of their payloads.", lambda: queue.size)
    gauge("pushd_queue_lanes", "Lanes: a credential and a topic each.", lambda: len(queue.lanes))
    gauge(
        "pushd_queue_oldest_push_age_seconds",
        "How long the push has waited that has waited longest; 0: none waits.",
        lambda: _oldest_age(service, unix()),
    )
    gauge(
        "pushd_queue_limit_pushes",
        "Pushes that may wait: setting queue.pushes.",
        lambda: config.queue.pushes,
    )
    dispatcher = service.dispatcher
    gauge(
        "pushd_pushes_in_flight",
        "Pushes that Apple has yet to answer.",
        lambda: dispatcher.under_way,
    )
    gauge(
        "pushd_open_connections",
        "Connections to Apple that are open.",
        lambda: dispatcher.connections,
    )
    gauge(
        "pushd_stopped_lanes",
        "Lanes that are not delivered: no connection, no credential, or too many refusals.",
        lambda: len({key for key, _ in dispatcher.troubles()}),
    )
    gauge(
        "pushd_store_waiting_writes",
        "Writes that are not on disk yet.",
        lambda: service.store.waiting,
    )
    credentials = service.credentials
    gauge(
        "pushd_credential_expiry_timestamp_seconds",
        "End of a certificate, in seconds since 1970.",
        lambda: {name: unix() + left for name, left in credentials.expiries().items()},
        label="credential",
    )
    gauge(
        "pushd_credential_usable",
        "Whether a credential can be used, 1, or not, 0.",
        lambda: {name: float(credentials.get(name) is not None) for name in credentials.names()},
        label="credential",
    )


def _oldest_age(service: PushService, now: float) -> float:
    """Of the pushes in memory, at most 40,000; those on disk only are newer in their lane."""
    oldest = min(
        (
            entry.job.submitted_at
            for lane in service.queue.lanes.values()
            for entry in lane.entries()
        ),
        default=None,
    )
    return 0.0 if oldest is None else max(0.0, now - oldest / 1000)


def _group(service: PushService) -> None:
    counters = service.counters
    counters.group(
        "pushd_answers_total",
        "Answers of Apple, by what they mean.",
        "answer",
        {name: f"pushd_pushes_{name}_total" for name, _ in DISPOSITIONS.values()},
    )
    latency = service.dispatcher.meter.latency
    counters.histogram(
        "pushd_answer_seconds",
        "Time from sending a push to Apple's answer.",
        buckets=latency.buckets,
        total=lambda: latency.total,
        members=[*map(bucket_name, LATENCIES), SLOWER],
    )


def _settled(counters: Counters) -> Callable[[Sequence[Settled]], None]:
    """An observer that counts what became of pushes, once that is on disk."""
    outcomes = counters.family(
        "pushd_outcomes_total",
        "Pushes that are over, by what became of them.",
        "outcome",
        OUTCOMES.values(),
    )
    types = counters.family(
        "pushd_settled_pushes_total",
        "Pushes that are over, by their type.",
        "type",
        [*(kind.value for kind in PushType), BROADCAST],
    )
    reasons = counters.family(
        "pushd_rejections_total",
        "Pushes that Apple rejected for good, by its reason.",
        "reason",
        [*(reason.value for reason in Reason), OTHER],
    )

    def observe(settled: Sequence[Settled]) -> None:
        for entry, outcome, _, _ in settled:
            outcomes[OUTCOMES[type(outcome)]].value += 1
            push = entry.job.push
            kind = push.push_type if isinstance(push, Notification) else BROADCAST
            types[kind].value += 1
            if isinstance(outcome, Rejected):
                reason = outcome.reason or OTHER
                reasons[reason if reason in reasons else OTHER].value += 1

    return observe
