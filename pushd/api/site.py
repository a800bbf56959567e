"""Which face a request is for, and who it comes from; what is counted."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.logger import Logger

from ops.counter import Counter, Counters
from pushd.api.access import Access, Denied
from pushd.api.exchange import Exchange, Sink
from pushd.api.identity import Identity
from pushd.api.json_face import JsonFace
from pushd.api.problem import problem
from pushd.api.provider import ProviderFace


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCounters:
    """What is counted of the API."""

    connections: Counter
    refused: Counter
    requests: Counter
    errors: Counter
    failed_logins: Counter
    timeouts: Counter
    abuse: Counter

    @classmethod
    def declared_in(cls, counters: Counters) -> ApiCounters:
        def counter(thing: str, help: str) -> Counter:
            return counters.counter(f"pushd_api_{thing}_total", help)

        return cls(
            connections=counter("connections", "Connections accepted"),
            refused=counter("connections_refused", "Connections closed at once: too many"),
            requests=counter("requests", "Requests answered, errors included"),
            errors=counter("errors", "Requests answered with a status of 400 or above"),
            failed_logins=counter("failed_logins", "Requests with a token that is not valid"),
            timeouts=counter("timeouts", "Connections ended since the client made no headway"),
            abuse=counter("abuse", "Connections ended since the client broke or strained HTTP"),
        )


class Site:
    """Where all sessions bring their requests."""

    def __init__(
        self,
        *,
        access: Access,
        json: JsonFace | None,
        provider: ProviderFace | None,
        counters: ApiCounters,
    ) -> None:
        self.access = access
        """May be replaced while requests come."""
        self._json = json
        self._provider = provider
        self._counters = counters

    def open(self, exchange: Exchange) -> Sink | None:
        """As `exchange.Opener`."""
        path = exchange.request.path
        if path.startswith("/v1/") and self._json is not None:
            return self._json.open(exchange, self._identity(exchange))
        if path.startswith(("/3/", "/4/")) and self._provider is not None:
            return self._provider.open(exchange, self._identity(exchange))
        exchange.respond(problem(404, "NotFound", "there is nothing of that name"))
        return None

    def _identity(self, exchange: Exchange) -> Identity | Denied:
        request = exchange.request
        client = request.client
        identity = self.access.identify(request.headers, client.address, client.certificate)
        if isinstance(identity, Denied) and "authorization" in request.headers:
            self._counters.failed_logins.inc()
            _log.warn(
                "api: login of {client} failed: {detail}",
                client=client.address,
                detail=identity.detail,
            )
        return identity


_log = Logger()
