"""The parameters of a request to the admin API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ops.text import escape
from ops.web.route import Problem, Request

LIMIT: Final = 100
MAX_LIMIT: Final = 1_000
"""Lines of a page: 500 kB."""
MAX_NUMBER: Final = (1 << 63) - 1


def known(request: Request, *names: str) -> Mapping[str, str]:
    """The parameters, all of which must be among `names`. Raises Problem."""
    for name in request.query:
        if name not in names:
            shown = escape(name, 40)
            raise Problem(400, f"there is no parameter `{shown}`", f"there are: {', '.join(names)}")
    return request.query


def number(query: Mapping[str, str], name: str, default: int, most: int = MAX_NUMBER) -> int:
    """A whole number; empty counts as not given. Raises Problem."""
    text = query.get(name) or str(default)
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and int(text) <= most):
        raise Problem(400, f"`{name}` is no number", f"give a whole number from 0 to {most}")
    return int(text)


def limit(query: Mapping[str, str]) -> int:
    """Lines of a page."""
    return max(1, number(query, "limit", LIMIT, MAX_LIMIT))
