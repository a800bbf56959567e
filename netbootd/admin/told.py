"""Events of the timeline as they are told outside: a JSON object each, its kind under `event`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any

from netbootd.event import Event
from netbootd.timeline import Timeline


@cache
def kind(name: str) -> str:
    """What the class `ImageSelected` is called outside: `image_selected`."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def told(event: Event) -> dict[str, Any]:
    """`{"event": "image_selected", "at": …, "machine": …, …}`."""
    keys = (field.name for field in fields(event))
    return {"event": kind(type(event).__name__)} | {key: getattr(event, key) for key in keys}


def subscription(
    timeline: Timeline, machine: str | None = None
) -> Callable[[Callable[[object], None]], Callable[[], None]]:
    """What tells every event from now on, of one machine or of all."""

    def subscribe(tell: Callable[[object], None]) -> Callable[[], None]:
        def listener(event: Event) -> None:
            if machine is None or event.machine == machine:
                tell(told(event))

        timeline.listen(listener)
        return lambda: timeline.ignore(listener)

    return subscribe
