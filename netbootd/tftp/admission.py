"""How many requests are looked at: a flood must cost less than the boots that it would disturb.

Counted in whole seconds, for all clients together and for each address. What exceeds a bound is
dropped without an answer: firmware asks again, and a forged source learns nothing.
"""

from __future__ import annotations

MAX_PER_SECOND = 2000
"""A request costs about 0.2 ms (parse, open, bind), so a flood can take no more than 40 % of a
core. 500 Macs started at one bell send their six requests each over half a minute or more."""
MAX_PER_CLIENT = 200
"""Per second: a GRUB or PXELINUX menu looks for a dozen names in a row, then waits for a file."""


class Admission:
    """Counts the requests of the present second. Its table holds `MAX_PER_SECOND` addresses."""

    def __init__(self, total: int = MAX_PER_SECOND, per_client: int = MAX_PER_CLIENT) -> None:
        self._total = total
        self._per_client = per_client
        self._second = 0
        self._admitted = 0
        self._by_client: dict[str, int] = {}

    def admits(self, address: str, now: float) -> bool:
        """Whether a request from `address` is looked at; `now` in seconds."""
        second = int(now)
        if second != self._second:
            self._second = second
            self._admitted = 0
            self._by_client.clear()
        of_client = self._by_client.get(address, 0)
        if self._admitted >= self._total or of_client >= self._per_client:
            return False
        self._admitted += 1
        self._by_client[address] = of_client + 1
        return True
