"""A log line for each request to the API, where `api.access_log` asks for it.

    session ── open(exchange) ──▶ AccessLog ── open(noted) ──▶ Site
                                                   └── respond ──▶ log, session

What a request is answered with is told, not what is in it: of a device token its last six digits.
Requests that are broken off before they are one (RFC 9112) are counted only.
"""

from __future__ import annotations

import re
from typing import Final

from twisted.logger import Logger

from pushd.api.exchange import Exchange, Opener, Request, Response, Sink

MAX_PATH: Final = 200
"""Characters of a path that are shown: ours have 80 at most."""

_TOKEN: Final = re.compile(r"[0-9A-Fa-f]{32,}(?=[0-9A-Fa-f]{6})")


class AccessLog:
    """Stands before the site."""

    def __init__(self, site: Opener) -> None:
        self._site = site

    def open(self, exchange: Exchange) -> Sink | None:
        """As `exchange.Opener`."""
        return self._site.open(_Noted(exchange))


class _Noted:
    """A request whose answer is logged."""

    __slots__ = ("_exchange", "request")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.request: Request = exchange.request

    def respond(self, response: Response) -> None:
        request = self.request
        _log.info(
            "{client} {method} {path} {status}",
            client=request.client.address,
            method=request.method,
            path=_TOKEN.sub("…", request.path[:MAX_PATH]),
            status=response.status,
        )
        self._exchange.respond(response)


_log = Logger()
