"""Requests that differ from the one before in the range alone.

Machines repeat themselves: a kernel that reads its root image sends one and the same head a hundred
thousand times, but for the two numbers in its Range field. Reading a head takes 10 us, seeing
that it is the same takes half of one.
"""

from __future__ import annotations

import re

from netbootd.http.byterange import Span
from netbootd.http.request import Request

_RANGE = re.compile(rb"\r\n[Rr]ange: ?bytes=(\d+-\d+)\r\n")
_LONGEST = len(b"%d-%d" % (1 << 63, 1 << 63))


class Repetition:
    """A request for one range, which may come again for another one.

    A head that is the same to the byte but for the digits of two numbers says the same in all else:
    digits end no line and no field, and a Range field can be there only once.
    """

    __slots__ = ("_after", "_before", "_longest", "request")

    def __init__(self, request: Request, before: bytes, after: bytes) -> None:
        self.request = request
        self._before = before
        self._after = after
        self._longest = len(before) + len(after) + _LONGEST

    @classmethod
    def of(cls, request: Request, head: bytes) -> Repetition | None:
        """What to look out for after `head`; None where it asks for no plain range."""
        found = _RANGE.search(head)
        if found is None or request.conditional or request.head_only:
            return None
        return cls(request, head[: found.start(1)], head[found.end(1) :])

    def span(self, head: bytes) -> Span | None:
        """First byte and end of the range that `head` asks for; None if it is no repetition."""
        before, after = self._before, self._after
        if len(head) > self._longest or not (head.startswith(before) and head.endswith(after)):
            return None
        first, _, last = head[len(before) : -len(after)].partition(b"-")
        if first.isdigit() and last.isdigit():
            return int(first), int(last) + 1
        return None
