"""The credentials: what they are for, how long they last, and what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ops.web.route import Json, Request
from pushd.admin import query, shape
from pushd.credential import files_of
from pushd.credentials import Credentials
from pushd.queue import Queue
from pushd.search import waiting_in
from pushd.settings import CredentialSettings

DAY: Final = 86_400.0
"""Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialDesk:
    """Answers what is asked of credentials."""

    queue: Queue
    credentials: Credentials
    unix: Callable[[], float]

    def all(self, request: Request) -> Json:
        """`GET /v1/credentials`."""
        query.known(request)
        waiting: Counter[str] = Counter()
        sending: Counter[str] = Counter()
        for key, lane in self.queue.lanes.items():
            waiting[key.credential] += waiting_in(lane)
            sending[key.credential] += lane.in_flight
        return Json(
            shape.Credentials(
                credentials=tuple(
                    self._said(one, waiting[one.name], sending[one.name])
                    for one in self.credentials.configured
                )
            )
        )

    def _said(self, settings: CredentialSettings, waiting: int, sending: int) -> shape.Credential:
        credential = self.credentials.get(settings.name)
        problem = self.credentials.problems().get(settings.name)
        expires = None if credential is None else credential.expires_at
        left = None if expires is None else (expires.timestamp() - self.unix()) // DAY
        return shape.Credential(
            name=settings.name,
            kind="certificate" if settings.p8 is None else "key",
            environment=settings.environment,
            usable=credential is not None,
            topics=tuple(sorted(settings.topics if credential is None else credential.topics)),
            fingerprint=None if credential is None else credential.fingerprint,
            expires_at=None if expires is None else int(expires.timestamp() * 1000),
            days_left=None if left is None else int(left),
            files=tuple(str(file) for file in files_of(settings)),
            problem=None
            if problem is None
            else shape.CredentialProblem(
                file=str(problem.path), why=problem.why, remedy=problem.remedy
            ),
            waiting=waiting,
            sending=sending,
        )
