"""Scripts: which pushes are answered otherwise than Apple's rules say, and how.

    Rule(prefix="dead", status=410, reason="Unregistered", timestamp=1_700_000_000_000)
    Rule(prefix="", status=503, reason="ServiceUnavailable", times=3)
    Rule(skip=500, times=1, instead=GoAway(reason="Shutdown"))

A rule meets a push after it was found right, so that a script can never hide a mistake of the
client. The first rule that fits is the one that counts.
"""

from __future__ import annotations

import msgspec

from protocols.apns.reason import Reason

REFUSED_STREAM = 0x7
"""RFC 9113 §7: "not processed", safe to send again."""


class Reset(msgspec.Struct, frozen=True, kw_only=True, tag="reset"):
    """RST_STREAM in place of the answer."""

    code: int = 0x2
    """Error code, RFC 9113 §7; REFUSED_STREAM says, truly, that the push was not processed."""


class Silence(msgspec.Struct, frozen=True, kw_only=True, tag="silence"):
    """No answer, ever: the push is accepted and lost sight of."""


class Cut(msgspec.Struct, frozen=True, kw_only=True, tag="cut"):
    """The connection ends, without a word, in place of the answer."""

    abort: bool = False
    """By a TCP reset rather than FIN."""


class GoAway(msgspec.Struct, frozen=True, kw_only=True, tag="goaway"):
    """GOAWAY; answers up to its last stream are given, then the connection is closed."""

    last_stream: int | None = None
    """None: the last that was received. What is above it was not processed."""
    code: int = 0
    """Error code, RFC 9113 §7."""
    reason: str | None = None
    """The debug data are Apple's JSON with this reason, and `timestamp` (ms) if there is one."""
    timestamp: int | None = None
    debug: bytes | None = None
    """The debug data, if they are to be something else."""
    closes: bool = True
    """The connection is closed once all that is due has been answered."""

    @property
    def data(self) -> bytes:
        """The debug data."""
        if self.debug is not None:
            return self.debug
        return b"" if self.reason is None else body_of(self.reason, self.timestamp)


Instead = Reset | Silence | Cut | GoAway


def processes(instead: Instead, stream: int) -> bool:
    """Whether the push of that stream is processed, and the client knows that it may be."""
    if isinstance(instead, Reset):
        return instead.code != REFUSED_STREAM
    if isinstance(instead, GoAway):
        return instead.last_stream is None or stream <= instead.last_stream
    return True


def is_answered(instead: Instead, stream: int) -> bool:
    """Whether an answer is given all the same."""
    return isinstance(instead, GoAway) and processes(instead, stream)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with pushes to the devices (or channels) whose token begins by `prefix`."""

    prefix: str = ""
    """Lower-case digits; empty: all."""
    status: int = 200
    reason: str | None = None
    timestamp: int | None = None
    """Milliseconds since 1970, in the body."""
    times: int | None = None
    """Pushes it is for; None: all."""
    skip: int = 0
    """Pushes that fit and are left alone before it begins."""
    latency: float | None = None
    """Seconds until the answer, in place of the connection's."""
    instead: Instead | None = None
    """In place of the answer. The push counts as processed unless this says that it was not."""

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 599:
            raise ValueError(f"status: {self.status} is not between 200 and 599")
        if self.status != 200 and self.reason is None and self.instead is None:
            raise ValueError("reason: is missing; an answer that is no 200 has one")
        if self.skip < 0 or (self.times is not None and self.times < 1):
            raise ValueError("times: is not at least 1, or skip not at least 0")


class Rules:
    """The rules in force."""

    def __init__(self) -> None:
        self._active: list[_Active] = []

    def add(self, *rules: Rule) -> None:
        """Put rules behind those that are there."""
        self._active += [_Active(rule) for rule in rules]

    def clear(self) -> None:
        """Take all away."""
        self._active.clear()

    def meet(self, token: str) -> Rule | None:
        """The rule for a push to `token`, which is counted."""
        for active in self._active:
            rule = active.rule
            if not token.startswith(rule.prefix):
                continue
            active.met += 1
            if active.met <= rule.skip:
                continue
            if rule.times is not None and active.met >= rule.skip + rule.times:
                self._active.remove(active)
            return rule
        return None

    def __len__(self) -> int:
        return len(self._active)


class _Active:
    __slots__ = ("met", "rule")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.met = 0


def body_of(reason: Reason | str, timestamp: int | None = None) -> bytes:
    """The JSON that says why."""
    said: dict[str, str | int] = {"reason": str(reason)}
    if timestamp is not None:
        said["timestamp"] = timestamp
    return msgspec.json.encode(said)
