"""Scripts: answers by token, and what may be done in place of an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pushd.testing import Cut, GoAway, Reset, Rule, Silence
from pushd.testing.background import Background
from tests.pushd.testing.conftest import Connect
from tests.pushd.testing.hand import APNS_ID
from tests.pushd.testing.test_request import reason

DEAD = "dead" + "0" * 60
FINE = "f1ee" + "0" * 60


def rules(apple: Background, *added: Rule) -> None:
    apple.run(lambda simulator: simulator.rules.add(*added))


def test_an_answer_by_prefix(apple: Background, connect: Connect) -> None:
    """Status, reason and timestamp for the tokens that begin so, and no others."""
    rules(apple, Rule(prefix="dead", status=410, reason="Unregistered", timestamp=17))
    hand = connect()

    dead, fine = hand.push(DEAD), hand.push(FINE)

    assert (dead.status, json.loads(dead.body)) == (
        410,
        {"reason": "Unregistered", "timestamp": 17},
    )
    assert dead.headers["apns-id"] == APNS_ID
    assert fine.verdict == (200, b"")


def test_so_many_times_after_so_many(apple: Background, connect: Connect) -> None:
    """A rule skips some, holds for some, and is over."""
    rules(apple, Rule(status=503, reason="ServiceUnavailable", skip=1, times=2))
    hand = connect()

    statuses = [hand.push().status for _ in range(5)]

    assert statuses == [200, 503, 503, 200, 200]
    assert apple.run(lambda simulator: len(simulator.rules)) == 0


def test_the_first_that_fits_counts(apple: Background, connect: Connect) -> None:
    """Later rules are for what earlier ones leave."""
    rules(
        apple,
        Rule(prefix="de", status=500, reason="InternalServerError", times=1),
        Rule(prefix="dead", status=429, reason="TooManyRequests"),
    )
    hand = connect()

    statuses = [hand.push(DEAD).status, hand.push(DEAD).status, hand.push(FINE).status]

    assert statuses == [500, 429, 200]


def test_a_wrong_push_is_not_scripted(apple: Background, connect: Connect) -> None:
    """A mistake is told whatever a rule says, and costs it nothing."""
    rules(apple, Rule(status=503, reason="Shutdown", times=1))
    hand = connect()

    wrong, right = hand.push(apns_priority="7"), hand.push()

    assert wrong.verdict == (400, reason("BadPriority"))
    assert right.verdict == (503, reason("Shutdown"))


@pytest.mark.parametrize("wrong", [{"status": 99}, {"status": 410}, {"times": 0}, {"skip": -1}])
def test_impossible_rules(wrong: dict[str, Any]) -> None:
    """A rule that makes no sense is not made."""
    with pytest.raises(ValueError, match=r"status|reason|times|skip"):
        Rule(**wrong)


class TestInstead:
    """What is done in place of the answer, and whether the push counts as accepted."""

    def test_refused_stream(self, apple: Background, connect: Connect) -> None:
        """REFUSED_STREAM: nothing was done, so the same push is new when it comes again."""
        rules(apple, Rule(times=1, instead=Reset(code=7)))
        hand = connect()

        first, second = hand.push(), hand.push()

        assert first.reset == 7
        assert second.verdict == (200, b"")
        said = apple.run(lambda simulator: simulator.statistics)
        assert (said.refused, said.accepted, said.duplicates) == (1, 1, 0)

    @pytest.mark.parametrize("code", [0, 1, 2, 5, 8, 11])
    def test_another_reset(self, apple: Background, connect: Connect, code: int) -> None:
        """Any other code: the push was processed and its answer is lost."""
        rules(apple, Rule(times=1, instead=Reset(code=code)))

        answer = connect().push()

        assert answer.reset == code
        said = apple.run(lambda simulator: simulator.statistics)
        assert (said.accepted, said.unanswered, said.delivered) == (1, 1, 1)

    def test_silence(self, apple: Background, connect: Connect) -> None:
        """A black hole takes the push and never answers; others are answered meanwhile."""
        rules(apple, Rule(prefix="dead", instead=Silence()))
        hand = connect()

        lost = hand.begin(DEAD)
        fine = hand.push(FINE)

        assert fine.verdict == (200, b"")
        assert not hand.answers[lost].ended
        assert apple.run(lambda simulator: simulator.connections[0].open_streams) == 1

    @pytest.mark.parametrize("abort", [False, True])
    def test_cut(self, apple: Background, connect: Connect, abort: bool) -> None:
        """The connection ends with nothing said."""
        rules(apple, Rule(instead=Cut(abort=abort)))
        hand = connect()

        stream = hand.begin()
        hand.until_closed()

        assert hand.goaway is None
        assert not hand.answers[stream].headers
        assert apple.run(lambda simulator: simulator.record.count_of(APNS_ID)) == 1

    def test_goaway_in_the_middle(self, apple: Background, connect: Connect) -> None:
        """Up to the last stream all are answered, above it none, and the reason is told."""
        rules(apple, Rule(latency=0.05, skip=0, times=None, prefix="f1ee"))
        rules(
            apple,
            Rule(prefix="dead", instead=GoAway(last_stream=3, reason="Shutdown", timestamp=99)),
        )
        hand = connect()

        streams = [hand.begin(token) for token in (FINE, FINE, FINE, DEAD)]
        hand.until_closed()

        assert streams == [1, 3, 5, 7]
        assert [hand.answers[stream].ended for stream in streams] == [True, True, False, False]
        assert hand.goaway is not None
        assert hand.goaway.last_stream_id == 3
        assert hand.goaway.error_code == 0
        assert json.loads(hand.goaway.additional_data) == {
            "reason": "Shutdown",
            "timestamp": 99,
        }

    def test_goaway_after_this_one(self, apple: Background, connect: Connect) -> None:
        """Without a last stream it is the highest received: this one is answered still."""
        rules(apple, Rule(instead=GoAway(code=2, debug=b"\x00 no JSON")))
        hand = connect()

        stream = hand.begin()
        hand.until_closed()

        assert hand.answers[stream].verdict == (200, b"")
        assert hand.goaway is not None
        assert (hand.goaway.last_stream_id, hand.goaway.error_code) == (1, 2)
        assert hand.goaway.additional_data == b"\x00 no JSON"

    @pytest.mark.parametrize("last", [0, 1, 2, 3, 4, 5, 0x7FFFFFFF])
    def test_every_last_stream(self, apple: Background, connect: Connect, last: int) -> None:
        """Whatever the last stream is, those up to it are processed and answered, no others."""
        hand = connect()
        apple.run(lambda simulator: simulator.rules.add(Rule(latency=0.05)))
        streams = [hand.begin(apns_id=None) for _ in range(3)]
        apple.until(lambda simulator: simulator.record.received == 3)

        apple.run(lambda simulator: simulator.connections[0].goaway(GoAway(last_stream=last)))
        hand.until_closed()

        assert [hand.answers[stream].ended for stream in streams] == [
            stream <= last for stream in streams
        ]

    def test_goaway_that_keeps_the_connection(self, apple: Background, connect: Connect) -> None:
        """A warning (RFC 9113 §6.8): the highest stream there can be, and all goes on."""
        rules(apple, Rule(times=1, instead=GoAway(last_stream=0x7FFFFFFF, closes=False)))
        hand = connect()

        stream = hand.begin()
        hand.until(lambda: hand.answers[stream].ended and hand.goaway is not None)

        assert hand.answers[stream].verdict == (200, b"")
        assert apple.run(lambda simulator: simulator.statistics).open_connections == 1
