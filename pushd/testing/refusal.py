"""An answer that is no 200: raised where a check fails, caught where the answer is made."""

from __future__ import annotations


class Refused(Exception):
    """Status, reason and, with 410, when the token was last found invalid (ms since 1970)."""

    def __init__(self, status: int, reason: str, timestamp: int | None = None) -> None:
        super().__init__(status, reason, timestamp)
        self.status = status
        self.reason = reason
        self.timestamp = timestamp
