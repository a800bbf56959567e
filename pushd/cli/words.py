"""What several commands say in the same words."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta


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
