"""What all connections of one service share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from netbootd.http.files import Files, Opener
from netbootd.http.limit import Admission, Limits
from netbootd.http.response import Responder
from netbootd.transfer import TransferObserver
from ops.counter import Counter, Counters


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCounters:
    """What is counted; HTTP and HTTPS add to the same numbers."""

    connections: Counter
    refused: Counter
    requests: Counter
    errors: Counter
    sent: Counter
    aborted: Counter
    timeouts: Counter
    failures: Counter

    @classmethod
    def declared_in(cls, counters: Counters) -> HttpCounters:
        def counter(thing: str, help: str) -> Counter:
            return counters.counter(f"netbootd_http_{thing}_total", help)

        return cls(
            connections=counter("connections", "Connections accepted"),
            refused=counter("connections_refused", "Connections closed at once: too many"),
            requests=counter("requests", "Requests answered, errors included"),
            errors=counter("errors", "Requests answered with a status of 400 or above"),
            sent=counter("sent_bytes", "Bytes of files sent"),
            aborted=counter("aborted", "Responses cut off by the client"),
            timeouts=counter("timeouts", "Connections ended since the client made no headway"),
            failures=counter("failures", "Responses cut off by us: the file changed or failed"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One service's parts, as its connections need them."""

    service: str
    """`http` or `https`."""
    files: Files
    responder: Responder
    observer: TransferObserver
    counters: HttpCounters
    limits: Limits
    admission: Admission
    monotonic: Callable[[], float]

    @classmethod
    def build(
        cls,
        service: str,
        *,
        open_file: Opener,
        observer: TransferObserver,
        counters: Counters,
        boundary: bytes,
        limits: Limits | None = None,
        admission: Admission | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        utc: Callable[[], float] = time.time,
    ) -> Site:
        """The parts of the service `http` or `https`.

        `boundary` separates the parts of multipart answers: 1 to 70 letters and digits that occur
        in no file, thus chosen at random. `utc` gives POSIX seconds, `monotonic` what timers need.
        Services that share an `admission` share its limits.
        """
        return cls(
            service=service,
            files=Files(open_file, service, utc),
            responder=Responder(utc=utc, boundary=boundary),
            observer=observer,
            counters=HttpCounters.declared_in(counters),
            limits=limits or Limits(),
            admission=admission or Admission(),
            monotonic=monotonic,
        )
