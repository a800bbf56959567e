"""Which credential a push may be sent with, where it names none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pushd.credential import Credential
from pushd.credentials import Credentials
from pushd.settings import CredentialSettings

MOST: Final = 10_000
"""Topics remembered, some 200 bytes each; then all are looked up anew."""


class Choice:
    """By topic, the names of those that are good for it, in the order of the configuration.

    One that cannot be used yet counts for the topics that the configuration gives it: its pushes
    wait for it.
    """

    def __init__(self, settings: Sequence[CredentialSettings], credentials: Credentials) -> None:
        self._settings = settings
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
                one.name for one in self._settings if self._covers(one, topic)
            )
        return found

    def replace(self, settings: Sequence[CredentialSettings]) -> None:
        """Those of another configuration."""
        self._settings = settings
        self._known.clear()

    def _covers(self, settings: CredentialSettings, topic: str) -> bool:
        credential = self._credentials.get(settings.name)
        return topic in settings.topics if credential is None else credential.covers(topic)

    def _forget(self, renewed: Credential) -> None:
        self._known.clear()
