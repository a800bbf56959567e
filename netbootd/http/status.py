"""The status codes that this server sends, and how a part of it says no."""

from __future__ import annotations

from http import HTTPStatus


class Refused(Exception):
    """A request that is answered by an error: `status` is an HTTP status of 400 and above."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(status, why)
        self.status = status
        self.why = why

    def __str__(self) -> str:
        return f"{self.status.value} {self.status.phrase}: {self.why}"


def status_line(status: HTTPStatus) -> bytes:
    """Always HTTP/1.1, also in answer to HTTP/1.0 (RFC 9110, 2.5: the highest version we know)."""
    return b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode())
