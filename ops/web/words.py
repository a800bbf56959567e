"""Numbers, times and sizes as a console writes them: short, and alike on every page."""

from __future__ import annotations

from datetime import datetime

from twisted.web.template import Tag, tags


def size(count: float) -> str:
    """Bytes: `0 B`, `812 KB`, `1.4 GB`, decimal as disks and networks have it."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if count >= factor:
            number = count / factor
            return f"{number:.1f} {unit}" if number < 10 else f"{number:.0f} {unit}"
    return f"{count:.0f} B"


def rate(count: float) -> str:
    """Bytes a second: `84 MB/s`."""
    return f"{size(count)}/s"


def number(count: float) -> str:
    """`1 234 567`, with narrow spaces."""
    return f"{count:,.0f}".replace(",", "\u202f")


def lasted(seconds: float) -> str:
    """`12 ms`, `4.8 s`, `42 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`."""
    if seconds < 0.9995:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    for big, small, one, part in (("d", "h", 86400, 3600), ("h", "min", 3600, 60)):
        if whole >= one:
            return f"{whole // one} {big} {whole % one // part} {small}"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"


def moment(at: datetime, now: datetime) -> Tag:
    """The server's time, with the day where it is not today's."""
    local, today = at.astimezone(), now.astimezone()
    if local.date() == today.date():
        text = f"{local:%H:%M:%S}"
    elif abs((today.date() - local.date()).days) < 300:
        text = f"{local:%d %b %H:%M}"
    else:
        text = f"{local:%Y-%m-%d}"
    return tags.time(text, datetime=at.isoformat(), title=f"{local:%Y-%m-%d %H:%M:%S %Z}")


def plural(count: int, one: str, many: str) -> str:
    """`1 image`, `2 images`."""
    return f"{number(count)} {one if count == 1 else many}"
