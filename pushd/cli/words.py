"""What several commands say in the same words."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pushd.api.item import Outcome

STATE_STYLES: Final = {
    "queued": "cyan",
    "waiting": "yellow",
    "sending": "cyan",
    "accepted": "green",
    "rejected": "bold red",
    "failed": "bold red",
    "expired": "yellow",
    "cancelled": "dim",
    "collapsed": "dim",
}


def topics_shown(topics: Iterable[str]) -> str:
    """`com.example.app (and .voip, .complication), com.example.other`; none are any."""
    all_of_them = sorted(topics, key=lambda topic: (len(topic), topic))
    apps: dict[str, list[str]] = {}
    for topic in all_of_them:
        app = next((app for app in apps if topic.startswith(f"{app}.")), None)
        if app is None:
            apps[topic] = []
        else:
            apps[app].append(topic.removeprefix(app))
    shown = [
        f"{app} (and {', '.join(suffixes)})" if suffixes else app
        for app, suffixes in sorted(apps.items())
    ]
    return ", ".join(shown) or "any topic of its team"


def device_shown(token: str) -> str:
    """Enough of a token to tell it from others, where the whole has no room."""
    return token if len(token) <= 20 else f"{token[:8]}…{token[-8:]}"


def moment(milliseconds: int) -> str:
    """`2026-11-22 12:34:56`, of this computer's time zone."""
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def span(left: timedelta) -> str:
    """`3 days`, `5 hours`, `2 minutes`."""
    for name, unit in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        number = int(abs(left).total_seconds() // unit)
        if number:
            return f"{number} {name}{'s' if number != 1 else ''}"
    return "0 seconds"


def state_shown(state: str) -> tuple[str, str]:
    """A state, and its style on a terminal."""
    return state, STATE_STYLES.get(state, "")


def outcome_words(state: str, outcome: Outcome | None) -> list[str]:
    """What became of a push, in a line or two: what, and what to do."""
    if outcome is None:
        return []
    if state == "accepted":
        return ["Apple has it; it reaches the device when that can be reached"]
    if state == "collapsed":
        return [f"a newer push took its place: {outcome.collapsed_into}"]
    if state == "expired":
        return ["its time was over before it could be sent"]
    if state == "cancelled":
        return ["it was taken back before it was sent"]
    from pushd.reason_text import plain

    said = outcome.reason or "without a reason"
    if outcome.status is not None:
        said = f"{outcome.status} {said}"
    known = plain(outcome.reason)
    if known is None:
        return [said]
    meaning = f"{said}: {known.meaning}"
    if outcome.invalid_since is not None:
        meaning += f" (since {moment(outcome.invalid_since)} at the latest)"
    return [meaning, f"→ {known.remedy}"]
