"""How many files and sockets this process may have open at once.

Systems start a daemon with room for 1,024, less than a school that boots at one bell needs; the
system's own limit, to which any process may raise its own, is far higher.
"""

from __future__ import annotations

from twisted.logger import Logger

SPARE = 256
"""Listening sockets, database, log, threads, files that are read now and then."""

_log = Logger()


def want_descriptors(wanted: int, settings: str) -> None:
    """Raise the limit to `wanted`; tell where the system does not let us, and which `settings` take
    fewer."""
    allowed = allow_descriptors(wanted)
    if allowed < wanted:
        _log.warn(
            "The system allows {allowed} open files, {wanted} may be needed: raise its limit"
            " (systemd: LimitNOFILE), or lower {settings}",
            allowed=allowed,
            wanted=wanted,
            settings=settings,
        )


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
