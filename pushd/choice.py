"""Which credential a push may be sent with, where it names none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pushd.credential import Credential
from pushd.credentials import Credentials

MOST: Final = 10_000
"""Topics remembered, some 200 bytes each; then all are looked up anew."""


class Choice:
    """By topic, the names of those that are good for it, in the order of the configuration."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._known: dict[str, tuple[str, ...]] = {}
        credentials.listen(self._forget)

    def names_for(self, topic: str) -> Sequence[str]:
        """Those that may send to `topic`."""
        found = self._known.get(topic)
        if found is None:
            if len(self._known) >= MOST:
                self._known.clear()
            found = self._known[topic] = tuple(
                name
                for name in self._credentials.names()
                if (credential := self._credentials.get(name)) and credential.covers(topic)
            )
        return found

    def _forget(self, renewed: Credential) -> None:
        self._known.clear()
