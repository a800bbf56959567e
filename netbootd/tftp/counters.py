"""What the TFTP service counts."""

from __future__ import annotations

from netbootd.transfer import Outcome
from ops.counter import Counter, Counters


class TftpCounters:
    """One attribute per counter, bound once."""

    def __init__(self, counters: Counters) -> None:
        def counter(name: str, help: str) -> Counter:
            return counters.counter(f"netbootd_tftp_{name}_total", help)

        self.requests = counter("requests", "Read requests received")
        self.limited = counter("requests_limited", "Requests dropped: too many in one second")
        self.busy = counter("requests_busy", "Requests left unanswered: too many transfers")
        self.duplicate = counter("requests_duplicate", "Requests of a transfer already under way")
        self.missing = counter("requests_missing", "Requests for files that are not published")
        self.refused = counter("requests_refused", "Writes and unknown modes, refused")
        self.malformed = counter("malformed_datagrams", "Datagrams that are not TFTP")
        self.stray = counter("stray_datagrams", "Datagrams that belong to no transfer")
        self.repeated = counter("repeated_blocks", "Blocks sent more than once")
        self.unsent = counter("unsent_datagrams", "Datagrams that the kernel did not take")
        self.bytes = counter("sent_bytes", "Bytes of files delivered and acknowledged")
        self.ended = {
            outcome: counter(f"transfers_{outcome.value}", f"Transfers that ended: {outcome.value}")
            for outcome in Outcome
        }
