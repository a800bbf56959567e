"""The client's conversation: schedule, gathering, phases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from itertools import cycle

import pytest

from protocols.bsdp.answer import ImageConfirmed, ImageRefused, ImagesListed, Rejected, Rejection
from protocols.bsdp.client import (
    LIST_WAITS,
    BsdpClient,
    ImagesGathered,
    State,
    Step,
    TimedOut,
)
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.outcome import Reply
from protocols.dhcp.codec import decode, encode
from tests.protocols.bsdp.site import CLIENT, SERVER, Site
from tests.protocols.bsdp.test_answer import MACHINE

IMAGE = BootImageId(0x810003E9)
XID = 0x11223344


def client(xid: int = XID, jitter: float = 0.0) -> BsdpClient:
    return BsdpClient(MACHINE, xid=xid, jitter=lambda: jitter)


def answer(site: Site, step: Step) -> bytes:
    """The server's reply to the datagram of a step."""
    assert step.datagram is not None
    outcome = site.answer(step.datagram, CLIENT)
    assert isinstance(outcome, Reply)
    return encode(outcome.message)


def xid_of(step: Step) -> int:
    assert step.datagram is not None
    return decode(step.datagram).xid


def test_list_select_boot() -> None:
    """LIST, 4 seconds of gathering, SELECT of the default, confirmed."""
    site, mac = Site(), client()

    asked = mac.list(10.0)
    heard = mac.receive(10.5, answer(site, asked))
    gathered = mac.wake(14.5)
    (menu,) = gathered.events
    assert isinstance(menu, ImagesGathered)
    choice = menu.choices[0]
    chosen = mac.select(15.0, choice.best.server, choice.image.image_id)
    done = mac.receive(15.1, answer(site, chosen))

    assert isinstance(heard.events[0], ImagesListed)
    assert (heard.datagram, heard.wake_at) == (None, 12.0)
    assert (gathered.datagram, gathered.wake_at) == (None, None)
    assert isinstance(done.events[0], ImageConfirmed)
    assert (done.datagram, done.wake_at) == (None, None)
    assert mac.state is State.SELECTED


def test_each_phase_has_its_own_xid() -> None:
    """The first request has the number given, each phase the next, repeats none of their own."""
    mac = client(xid=0xFFFFFFFF)

    sent = [mac.list(0.0), mac.wake(2.0), mac.select(3.0, SERVER, IMAGE), mac.wake(5.0)]

    assert [xid_of(step) for step in sent] == [0xFFFFFFFF, 0xFFFFFFFF, 0, 0]


def test_list_is_repeated_seven_times() -> None:
    """2, 4, 8, then 16 seconds apart, each with up to a second more; then it gives up."""
    mac = client(jitter=0.5)
    step = mac.list(0.0)
    times = [0.0]

    while step.wake_at is not None:
        times.append(step.wake_at)
        step = mac.wake(step.wake_at)

    assert times == [0.0, 2.5, 7.0, 15.5, 32.0, 48.5, 65.0, 81.5]
    assert step.events == (TimedOut(state=State.LISTING),)
    assert mac.state is State.TIMED_OUT


def test_jitter_is_asked_for_each_try() -> None:
    """Macs that start together do not stay together."""
    numbers: Iterator[float] = cycle([0.25, 0.75])
    mac = BsdpClient(MACHINE, xid=1, jitter=lambda: next(numbers))

    first = mac.list(0.0)
    second = mac.wake(2.25)

    assert (first.wake_at, second.wake_at) == (2.25, 2.25 + 4.75)


def test_select_is_repeated_once() -> None:
    """After 2 seconds, then it waits 4 more, without jitter."""
    mac = client(jitter=0.5)

    first = mac.select(0.0, SERVER, IMAGE)
    second = mac.wake(2.0)
    third = mac.wake(6.0)

    assert (first.wake_at, second.wake_at) == (2.0, 6.0)
    assert first.datagram == second.datagram
    assert third == Step(events=(TimedOut(state=State.SELECTING),))
    assert mac.state is State.TIMED_OUT


def test_waking_early_changes_nothing() -> None:
    """A timer that fires before its time is told the time again."""
    mac = client()
    mac.list(0.0)

    assert mac.wake(1.9) == Step(wake_at=2.0)


def test_list_goes_on_while_gathering() -> None:
    """Another server may not have heard the first LIST; the window is not prolonged."""
    site, mac = Site(), client()
    step = mac.list(0.0)
    mac.receive(1.0, answer(site, step))

    again = mac.wake(2.0)
    heard = mac.receive(2.1, answer(site, again))
    gathered = mac.wake(5.0)

    assert again.datagram == step.datagram
    assert (again.wake_at, heard.wake_at) == (5.0, 5.0)
    (menu,) = gathered.events
    assert isinstance(menu, ImagesGathered)
    assert len({choice.best.server for choice in menu.choices}) == 1
    assert mac.state is State.LISTED


def test_two_servers_are_gathered() -> None:
    """Who answers twice counts once, with the later answer."""
    mac = client()
    one = Site()
    two = Site(identity=replace(one.identity, address=IPv4Address("10.99.0.2"), priority=40_000))
    asked = mac.list(0.0)

    mac.receive(0.1, answer(one, asked))
    mac.receive(0.2, answer(two, asked))
    mac.receive(0.3, answer(one, asked))
    (menu,) = mac.wake(4.1).events

    assert isinstance(menu, ImagesGathered)
    catalina = next(c for c in menu.choices if c.image.image_id == 0x81001004)
    assert [str(offer.server) for offer in catalina.offers] == ["10.99.0.2", "10.99.0.1"]
    assert str(catalina.best.server) == "10.99.0.2"
    assert len(menu.choices) == 12  # 2 images shared, 5 of each server's own


def test_answer_to_the_last_try_is_gathered() -> None:
    """Who answers late still has the window; nothing is sent in it."""
    site, mac = Site(), client()
    step = mac.list(0.0)
    for _ in LIST_WAITS[1:]:
        assert step.wake_at is not None
        asked = step
        step = mac.wake(step.wake_at)
    assert step.wake_at is not None
    late = step.wake_at - 1.0

    heard = mac.receive(late, answer(site, asked))
    assert heard.wake_at is not None
    waiting = mac.wake(heard.wake_at)
    gathered = mac.wake(late + 4.0)

    assert waiting == Step(wake_at=late + 4.0)
    assert isinstance(gathered.events[0], ImagesGathered)


def test_rejected_datagrams_are_told_and_change_nothing() -> None:
    """Others' replies and nonsense leave state and timers alone."""
    mac = client()
    mac.list(0.0)
    during_list = mac.receive(0.5, b"nonsense")
    mac.select(1.0, SERVER, IMAGE)
    during_select = mac.receive(1.5, b"nonsense")

    for step, wake_at in ((during_list, 2.0), (during_select, 3.0)):
        (event,) = step.events
        assert isinstance(event, Rejected)
        assert event.reason is Rejection.MALFORMED
        assert (step.datagram, step.wake_at) == (None, wake_at)


def test_refusal_ends_the_phase() -> None:
    """ACK[FAILED] is told at once."""
    site, mac = Site(), client()
    step = mac.select(0.0, SERVER, BootImageId(0x8100ABCD))

    refused = mac.receive(0.1, answer(site, step))

    assert refused == Step(events=(ImageRefused(server=SERVER),))
    assert mac.state is State.REFUSED


@pytest.mark.parametrize("state", [s for s in State if s not in (State.LISTING, State.SELECTING)])
def test_nothing_is_expected_outside_the_phases(state: State) -> None:
    """Late datagrams and late timers are ignored in every other state."""
    mac = client()
    mac.state = state

    assert mac.receive(0.0, b"late") == Step()
    assert mac.wake(0.0) == Step()
    assert mac.state is state


def test_phase_can_begin_anew() -> None:
    """Listing again forgets what was gathered."""
    site, mac = Site(), client()
    mac.receive(0.1, answer(site, mac.list(0.0)))

    again = mac.list(1.0)

    assert again.wake_at == 3.0
    assert mac.wake(4.1).datagram == again.datagram
    assert mac.state is State.LISTING
