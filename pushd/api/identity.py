"""Who asks, and what they may."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pushd.job import LaneKey


class Scope(StrEnum):
    """What a client may do."""

    SUBMIT = "submit"
    """Hand in pushes, by either face."""
    READ = "read"
    """Ask what became of pushes, and read the feeds."""
    CANCEL = "cancel"
    """Take pushes back."""
    ADMIN = "admin"
    """All of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A client that has shown who it is."""

    name: str
    """For the log."""
    scopes: frozenset[Scope]
    topics: tuple[str, ...] = ("*",)
    """Those it has to do with; one that ends in `*` stands for all that begin so."""
    credentials: frozenset[str] | None = None
    """Those it may send with; None: all."""

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def knows(self, topic: str) -> bool:
        """Whether `topic` is one of its own."""
        return any(
            topic.startswith(known[:-1]) if known.endswith("*") else topic == known
            for known in self.topics
        )

    def uses(self, credential: str) -> bool:
        return self.credentials is None or credential in self.credentials

    def sees(self, lane: LaneKey | None) -> bool:
        """Whether it may hear of pushes with that credential and topic; None: with any, for nobody
        knows any more."""
        if lane is None:
            return self.knows_all and self.credentials is None
        return self.uses(lane.credential) and self.knows(lane.topic)

    def sees_token(self, credential: str | None, topic: str) -> bool:
        """Likewise, of a token that Apple called invalid when it was pushed to."""
        known = self.credentials is None if credential is None else self.uses(credential)
        return known and self.knows(topic)

    @property
    def knows_all(self) -> bool:
        """Whether every topic is one of its own."""
        return "*" in self.topics

    @property
    def only_topic(self) -> str | None:
        """The topic it means where it names none; None if there are several."""
        topics = self.topics
        return topics[0] if len(topics) == 1 and not topics[0].endswith("*") else None


ANYBODY = Identity(name="loopback", scopes=frozenset({Scope.ADMIN}))
"""Whoever reaches a port on loopback whose configuration asks for no login."""
