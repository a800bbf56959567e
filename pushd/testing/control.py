"""Orders to a running simulator: JSON, one a line.

    {"do":"rules","add":[{"prefix":"dead","status":410,"reason":"Unregistered","timestamp":1}]}
    {"do":"conduct","conduct":{"latency":0.04}}
    {"do":"goaway","with":{"reason":"Shutdown"}}
    {"do":"statistics"}

The forms of rules and conducts are those of `Rule` and `Conduct`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pushd.testing.conduct import Conduct
from pushd.testing.device import Reach
from pushd.testing.record import Statistics
from pushd.testing.rule import GoAway, Rule
from pushd.testing.simulator import Simulator


class _Order(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="do",
    tag=str.lower,
    forbid_unknown_fields=True,
):
    """An order; each knows how it is carried out."""

    def obey(self, simulator: Simulator, now: float) -> Any:
        """The reply: a value for JSON, or None."""
        raise NotImplementedError


class Rules(_Order, frozen=True):
    """Other scripted answers."""

    add: list[Rule] = []
    clear: bool = False
    """Take away those that are there first."""

    def obey(self, simulator: Simulator, now: float) -> None:
        if self.clear:
            simulator.rules.clear()
        simulator.rules.add(*self.add)


class Behave(_Order, frozen=True, tag="conduct"):
    """The conduct of connections to come."""

    conduct: Conduct | None = None
    script: list[Conduct] = []
    """Of the next ones, one each."""

    def obey(self, simulator: Simulator, now: float) -> None:
        if self.conduct is not None:
            simulator.conduct = self.conduct
        simulator.script(*self.script)


class Go(_Order, frozen=True, tag="goaway"):
    """GOAWAY to all open connections."""

    form: GoAway = msgspec.field(default=GoAway(), name="with")

    def obey(self, simulator: Simulator, now: float) -> None:
        for connection in simulator.connections:
            if connection.is_open:
                connection.goaway(self.form)


class Cut(_Order, frozen=True):
    """The end of all open connections, without a word."""

    abort: bool = False

    def obey(self, simulator: Simulator, now: float) -> None:
        for connection in simulator.connections:
            connection.cut(abort=self.abort)


class Device(_Order, frozen=True):
    """What is known of a device."""

    token: str
    reach: Reach | None = None
    invalid_since: int | None = None
    """Milliseconds since 1970: it is not registered any more."""
    topics: frozenset[str] | None = None
    """It is registered, for these."""

    def obey(self, simulator: Simulator, now: float) -> Any:
        devices = simulator.service.devices
        if self.invalid_since is not None:
            devices.unregister(self.token, invalid_since=self.invalid_since)
        elif self.topics is not None:
            devices.register(self.token, topics=self.topics)
        if self.reach is None:
            return None
        delivered = devices.reach(self.token, self.reach, now=now)
        return {"delivered": [push.apns_id for push in delivered]}


class Count(_Order, frozen=True):
    """How often pushes of these ids were accepted."""

    ids: list[str]

    def obey(self, simulator: Simulator, now: float) -> Any:
        return {"counts": {apns_id: simulator.record.count_of(apns_id) for apns_id in self.ids}}


class Sums(_Order, frozen=True, tag="statistics"):
    """The statistics."""

    def obey(self, simulator: Simulator, now: float) -> Statistics:
        return simulator.statistics


Order = Rules | Behave | Go | Cut | Device | Count | Sums

_DECODER: msgspec.json.Decoder[Order] = msgspec.json.Decoder(Order)


class OrderWrong(ValueError):
    """A line that is no order; `str()` says why."""


def order_in(line: bytes) -> Order:
    """The order that a line is. Raises OrderWrong."""
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, ValueError) as error:
        raise OrderWrong(str(error)) from error
