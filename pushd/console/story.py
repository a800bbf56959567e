"""The page of one push: all that is known of it, in the order in which it happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from twisted.web.template import Tag, tags

from ops.text import escape
from ops.web.block import badge, facts, mono, panel
from ops.web.live import Part
from ops.web.route import Request
from ops.web.shell import Content, action
from ops.web.words import lasted, moment, number, size
from pushd.admin import shape
from pushd.console.piece import STATES, short, state
from pushd.console.sources import Sources, at


async def story_page(sources: Sources, request: Request) -> Content:
    """Raises Problem if nothing is known of it."""
    story: shape.Story = (await sources.stories.story(request)).value

    async def shown() -> Tag:
        current: shape.Story = (await sources.stories.story(request)).value
        now = sources.now()
        return tags.div(_known(current, request, now), _told(current, now))

    moving = None if story.settled_at is not None else object  # each is another
    return f"Push …{story.id[-12:]}", [Part(name="story", render=shown, version=moving)]


def _known(story: shape.Story, request: Request, now: datetime) -> Tag:
    pairs: list[tuple[str, Any]] = [
        ("Id", mono(story.id)),
        ("State", state(story.state)),
    ]
    for name, value in (
        ("Topic", story.topic),
        ("Credential", story.credential),
        ("Type", story.push_type),
        ("Collapse id", story.collapse_id),
    ):
        if value:
            pairs.append((name, escape(value)))
    if story.device:
        pairs.append(("Device", mono(short(story.device))))
    if story.priority is not None:
        pairs.append(("Priority", number(story.priority)))
    if story.size is not None:
        pairs.append(("Size", size(story.size)))
    if story.deadline is not None:
        pairs.append(("To be sent until", moment(at(story.deadline), now)))
    acts = []
    if request.session is not None and story.settled_at is None:
        place = f"/pushes/{story.id}"
        acts = [
            action(request.session, f"{place}/retry", "Try now"),
            action(request.session, f"{place}/cancel", "Take back"),
        ]
    return panel("What is known", facts(pairs), tags.div(*acts, class_="acts pad"))


def _told(story: shape.Story, now: datetime) -> Tag:
    lines = [
        tags.li(
            tags.span(moment(when, now), class_="when"),
            badge(word, kind),
            tags.span(said, class_="said"),
        )
        for when, word, kind, said in _events(story)
    ]
    if story.retry_at is not None and story.settled_at is None:
        next_try = at(story.retry_at)
        lines.append(
            tags.li(
                tags.span(moment(next_try, now), class_="when"),
                badge("next try", "busy"),
                tags.span(f"in {lasted((next_try - now).total_seconds())}", class_="said"),
            )
        )
    return panel("What happened", tags.ol(*lines, class_="story"))


def _events(story: shape.Story) -> Iterator[tuple[datetime, str, str, str]]:
    yield at(story.submitted_at), "taken in", "plain", "committed to disk, then acknowledged"
    left_out = story.tries - len(story.attempts)
    for place, attempt in enumerate(story.attempts):
        if place == 1 and left_out > 0:
            said = f"{number(left_out)} more attempts failed"
            yield at(attempt.at), "…", "off", said
        yield at(attempt.at), "attempt failed", "warn", escape(attempt.why)
    if story.settled_at is None:
        return
    outcome = story.outcome
    words = []
    if outcome is not None:
        words = [str(one) for one in (outcome.status, outcome.reason) if one]
        if outcome.invalid_since:
            words.append(f"token invalid since {at(outcome.invalid_since):%Y-%m-%d %H:%M:%S} UTC")
        if outcome.unique_id:
            words.append(f"Apple's id {outcome.unique_id}")
        if outcome.collapsed_into:
            words.append(f"replaced by {outcome.collapsed_into}")
    took = lasted((story.settled_at - story.submitted_at) / 1000)
    said = ", ".join([*map(escape, words), f"{took} after it was taken in"])
    yield at(story.settled_at), story.state, STATES.get(story.state, "off"), said
