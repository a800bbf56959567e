"""What the way to Apple counts: all counters are there from the start, and cost an addition."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from ops.counter import Counter, Counters
from protocols.apns.reason import Disposition

LATENCIES: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds: upper bounds of the buckets; one more takes what is slower."""

SLOWER: Final = "pushd_answers_slower_total"
"""The counter of what is slower than all bounds."""

DISPOSITIONS: Final = {
    Disposition.ACCEPTED: ("accepted", "Pushes that Apple accepted"),
    Disposition.DROP_TOKEN: ("unregistered", "Pushes to devices that are gone (410)"),
    Disposition.BAD_TOKEN: ("bad_token", "Pushes to tokens that are none of the environment"),
    Disposition.CALLER_FAULT: ("refused", "Pushes that Apple found wrong"),
    Disposition.TOPIC_FAULT: ("wrong_topic", "Pushes whose topic Apple refused"),
    Disposition.CREDENTIAL_FAULT: ("wrong_credential", "Pushes whose credential Apple refused"),
    Disposition.RETRY: ("put_off", "Pushes that Apple wants later"),
    Disposition.MOVE: ("moved", "Pushes that Apple wants by another connection"),
}


def bucket_name(bound: float) -> str:
    """The counter of what took `bound` seconds at most."""
    return f"pushd_answers_within_{round(bound * 1000)}_ms_total"


class Latency:
    """A histogram of the time from sending a push to its answer."""

    __slots__ = ("_counts", "total")

    def __init__(self, counters: Counters) -> None:
        help = "Answers that took so long, and longer than the last"
        names = [*map(bucket_name, LATENCIES), SLOWER]
        self._counts = [counters.counter(name, help) for name in names]
        self.total = 0.0
        """Seconds of all answers together."""

    def observe(self, seconds: float) -> None:
        """Count one answer."""
        self._counts[bisect_left(LATENCIES, seconds)].value += 1
        self.total += seconds

    def buckets(self) -> list[tuple[float | None, int]]:
        """Upper bound (None: no bound) and number of answers of each bucket, none in two."""
        bounds: list[float | None] = [*LATENCIES, None]
        return [(bound, c.value) for bound, c in zip(bounds, self._counts, strict=True)]


class Meter:
    """The counters of all topics together; their names are a closed set."""

    def __init__(self, counters: Counters) -> None:
        def counter(name: str, help: str) -> Counter:
            return counters.counter(f"pushd_{name}_total", help)

        self.answers = {
            disposition: counter(f"pushes_{name}", help)
            for disposition, (name, help) in DISPOSITIONS.items()
        }
        self.accepted = self.answers[Disposition.ACCEPTED]
        self.expired = counter("pushes_expired", "Pushes whose time was up before Apple had them")
        self.unprocessed = counter("pushes_unprocessed", "Pushes that Apple did not look at")
        self.uncertain = counter("pushes_uncertain", "Pushes whose answer was lost")
        self.sent_again = counter("pushes_sent_again", "Pushes sent again at once")
        self.held_back = counter(
            "pushes_held_back", "Pushes not sent again at once for want of retry budget"
        )
        self.given_up = counter("pushes_given_up", "Pushes whose answer was lost, not sent again")
        self.opened = counter("connections_opened", "Connections to Apple that were opened")
        self.failed = counter("connections_failed", "Connections that were not, or were useless")
        self.closed = counter("connections_closed", "Connections to Apple that ended")
        self.goaways = counter("connections_goaway", "Connections that Apple asked us to leave")
        self.replaced = counter("connections_replaced", "Connections that we left for another")
        self.stops = counter("topic_stops", "Topics stopped because Apple refused too much")
        self.latency = Latency(counters)
