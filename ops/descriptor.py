"""How many files and sockets this process may have open at once.

Systems start a daemon with room for 1,024, less than a school that boots at one bell needs; the
system's own limit, to which any process may raise its own, is far higher.
"""

from __future__ import annotations

SPARE = 256
"""Listening sockets, database, log, threads, files that are read now and then."""


def allow_descriptors(wanted: int) -> int:
    """Raise the limit to `wanted`, as far as the system lets us; what is allowed now."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
