"""A line for each request, of which no token can be read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from ops.config import parse
from pushd.api.access_log import AccessLog
from pushd.api.exchange import Client, Exchange, Request, Response, Sink
from pushd.api.settings import ApiSettings

TOKEN = "0123456789abcdef" * 4


class Asked:
    """A request that keeps its answer."""

    def __init__(self, path: str) -> None:
        client = Client(address="192.0.2.7")
        self.request = Request(method="POST", path=path, query="q=1", headers={}, client=client)
        self.answered: list[Response] = []

    def respond(self, response: Response) -> None:
        self.answered.append(response)


class Site:
    """Answers everything alike."""

    def open(self, exchange: Exchange) -> Sink | None:
        exchange.respond(Response(status=202))
        return None


@pytest.fixture
def lines() -> Iterator[list[str]]:
    found: list[str] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_namespace") == "pushd.api.access_log":
            found.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield found
    globalLogPublisher.removeObserver(observe)


def test_a_request(lines: list[str]) -> None:
    """Who, what, which answer; and the answer is given."""
    asked = Asked("/v1/pushes")

    AccessLog(Site()).open(asked)

    assert lines == ["192.0.2.7 POST /v1/pushes 202"]
    assert [response.status for response in asked.answered] == [202]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"/3/device/{TOKEN}", "/3/device/…abcdef"),
        (f"/3/device/{TOKEN * 2}", "/3/device/…abcdef"),
        ("/v1/pushes/8a6b1c9e-1f5c-4b0e-9d7a-0123456789ab", None),
        ("/" + "x" * 5000, "/" + "x" * 199),
    ],
)
def test_a_token_is_not_shown(path: str, shown: str | None, lines: list[str]) -> None:
    """The last six digits tell devices apart; ids of pushes are no secret."""
    AccessLog(Site()).open(Asked(path))

    assert lines == [f"192.0.2.7 POST {shown or path} 202"]


def test_it_is_off() -> None:
    """Nobody pays for a line a request who did not ask for it."""
    assert not ApiSettings().access_log
    settings = parse(b"access_log = true", ApiSettings)
    assert settings.access_log
