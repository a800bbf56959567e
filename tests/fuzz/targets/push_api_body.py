"""Whatever a body of the push API holds, each of its pushes becomes a job that Apple has nothing to
say against, or a refusal with a status, a reason and a place; in whatever pieces the body came."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from protocols.apns.message import objection_to
from pushd.api.identity import ANYBODY
from pushd.api.intake import Intake, Refusal
from pushd.api.limit import MAX_ITEM
from pushd.api.lines import Lines
from pushd.api.problem import problem
from pushd.job import Job, OrderedIds


class Choice:
    """One credential for whatever there is."""

    def names_for(self, topic: str) -> Sequence[str]:
        return ("main",)


def intake() -> Intake:
    bits = random.Random(7).getrandbits
    return Intake(ANYBODY, Choice(), unix=lambda: 1.8e9, ids=OrderedIds(bits))


def target(data: bytes) -> None:
    whole = split([data])
    middle = len(data) // 2
    assert split([data[:middle], data[middle:]]) == whole
    assert [judged(line) for line in whole] == [judged(line) for line in split([data])]
    judged(data)
    try:
        items = msgspec.json.decode(data, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return
    for item in items:
        judged(bytes(item))


def split(pieces: list[bytes]) -> list[bytes]:
    lines = Lines()
    found = []
    for piece in pieces:
        found += lines.received(piece)
        assert lines.held <= MAX_ITEM + 1
    return found + lines.ended()


def judged(text: bytes) -> Job | Refusal:
    """The job, or why there is none; what is said of it can be said to a client."""
    job = intake().text(text)
    if isinstance(job, Job):
        assert objection_to(job.push) is None
        assert job.credential == "main"
        assert job.deadline >= 0
    else:
        assert 400 <= job.status < 500
        assert job.reason
        assert job.path is None or job.path == "" or job.path.startswith((".", "["))
        said = problem(job.status, job.reason, job.detail, path=job.path)
        assert isinstance(said.body, bytes)
        assert len(said.body) < 4096
        msgspec.json.decode(said.body)
    return job
