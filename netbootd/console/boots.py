"""Boots as the pages show them: rows with bars while they are under way, table rows after that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from twisted.web.template import Tag, tags

from netbootd.boot import Boot, BootOutcome
from netbootd.console.track import Step, track
from ops.text import escape
from ops.web.block import badge, mono, table, text
from ops.web.plot import bar
from ops.web.words import lasted, moment, plural, size

MAX_SHOWN: Final = 40
"""Boots with bars on one page: rendering them takes 20 ms of the packets' time."""

OUTCOMES: Final = {
    BootOutcome.BOOTING: ("booting", "busy"),
    BootOutcome.BOOTED: ("booted", "good"),
    BootOutcome.STOPPED: ("stopped", "warn"),
    BootOutcome.FAILED: ("failed", "bad"),
    BootOutcome.INTERRUPTED: ("interrupted", "off"),
}
STATES: Final = {"waiting": "to come", "running": "now", "done": "done", "failed": "failed"}


def outcome_of(boot: Boot) -> BootOutcome:
    """As it is by now: a boot is kept open for a while after it has all it needs."""
    if boot.outcome is BootOutcome.BOOTING and boot.verdict() is BootOutcome.BOOTED:
        return BootOutcome.BOOTED
    return boot.outcome


def under_way(boots: Sequence[Boot]) -> Tag:
    """Newest first."""
    if not boots:
        return tags.div(
            tags.p("No machine is booting."),
            tags.p(
                "Start a Mac with N held down, or a PC from the network: it appears here.",
                class_="note",
            ),
            class_="nothing",
        )
    shown = boots[:MAX_SHOWN]
    more = len(boots) - len(shown)
    return tags.div(
        tags.ul(*map(_card, shown), class_="boots"),
        tags.p(f"and {plural(more, 'more machine', 'more machines')}", class_="nothing")
        if more
        else "",
    )


def _card(boot: Boot) -> Tag:
    outcome = outcome_of(boot)
    label, kind = OUTCOMES[outcome]
    return tags.li(
        tags.div(
            machine_link(boot),
            tags.span(mono(boot.address), " ", escape(boot.image), class_="image"),
            badge(label, kind),
            tags.span(lasted((boot.ended - boot.began).total_seconds()), class_="lasted"),
            class_="who",
        ),
        tags.ol(*map(_step, track(boot)), class_="track"),
        tags.p(escape(boot.why), class_="why") if boot.why else "",
        class_=f"boot {kind}",
        **{"data-key": f"{boot.machine} {boot.began.isoformat()}"},
    )


def _step(step: Step) -> Tag:
    told = STATES[step.state]
    if step.state == "running" and step.size:
        told = f"{step.percent} %"
    return tags.li(
        bar(step.share, step.state),
        tags.span(step.label, class_="label"),
        tags.span(told, class_="value"),
        class_=step.state,
        title=_detail(step),
        **{"data-key": step.label},
    )


def _detail(step: Step) -> str:
    if not step.size:
        return escape(step.detail)
    return f"{escape(step.detail)}: {size(step.done)} of {size(step.size)}"


def machine_link(boot: Boot) -> Tag:
    """What it is, and its address, leading to all that is known of it."""
    what = boot.model or boot.architecture or boot.client or "machine"
    return tags.a(
        tags.strong(escape(what)),
        " ",
        mono(boot.machine),
        href=f"/machines/{quote(boot.machine)}",
        class_="machine",
    )


COLUMNS: Final = (
    ("Began", "n"),
    ("Machine", ""),
    ("Address", "m w"),
    ("Image", "w"),
    ("Outcome", ""),
    ("Took", "r w"),
    ("Sent", "r w"),
)


def history(caption: str, boots: Sequence[Boot], now: datetime, nothing: str) -> Tag:
    """A table."""
    return table(caption, COLUMNS, [_row(boot, now) for boot in boots], nothing)


def _row(boot: Boot, now: datetime) -> list[Any]:
    label, kind = OUTCOMES[outcome_of(boot)]
    why = tags.span(escape(boot.why), class_="why") if boot.why else ""
    return [
        moment(boot.began, now),
        [machine_link(boot), tags.span(escape(boot.image), class_="s note")],
        boot.address,
        text(boot.image),
        [badge(label, kind), " ", why],
        lasted((boot.ended - boot.began).total_seconds()),
        size(boot.size),
    ]
