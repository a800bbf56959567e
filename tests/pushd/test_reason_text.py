"""What people are told of Apple's reasons."""

from __future__ import annotations

import pytest

from protocols.apns.reason import Reason
from pushd.reason_text import PLAIN, plain


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_explained(reason: Reason) -> None:
    """Each has a meaning and a remedy, in words without a full stop, to be put into sentences."""
    told = PLAIN[reason]

    assert plain(reason.value) == told
    assert told.meaning
    assert told.remedy
    assert not told.meaning.endswith(".")
    assert not told.remedy.endswith(".")


def test_a_reason_of_the_future() -> None:
    """What Apple has not documented is not guessed at."""
    assert plain("BadWeather") is None
    assert plain(None) is None
