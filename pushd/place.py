"""Where a push stands: its level, then its number. Smaller places leave first within a lane.

    place  =  level (lane number x 3 + rank) << 40  |  number, counting up with each push

One number holds it all, so that it is the key of the table: a level's pushes are neighbours there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SEQ_BITS: Final = 40
"""For the number: a thousand billion pushes. 23 bits are left for the level."""
SEQ_MASK: Final = (1 << SEQ_BITS) - 1
MAX_LANES: Final = 10_000
"""Credentials x topics: 30 MiB at 3 kB each. Nobody has so many."""
RANKS: Final[Mapping[int, int]] = {10: 0, 5: 1, 1: 2}
"""By priority: 10 leaves before 5, and 5 before 1."""
LEVELS: Final = len(RANKS)
