r"""From a request target to the name of a published file.

    GET /NetBoot/NetBootSP0/Sierra%20Install.nbi/NetInstall.dmg HTTP/1.1
        └──────────────── request target ──────────────┘

Strict where leniency has been the way out of a document root elsewhere: a target is decoded once,
and nothing that is special on any file system (`/`, `\`, NUL, control characters) may come out of
an escape. What is left is still only a name: `images.paths` alone decides whether it leads to a
file.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from netbootd.http.status import Refused

# RFC 9112, 3.2.2: a server must accept the absolute form. Whose name it has does not matter here.
_ABSOLUTE = re.compile(rb"https?://[^/?#]+", re.IGNORECASE)
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_SPECIAL = re.compile(rb"[\x00-\x1f\x7f\\]")


def published_name(target: bytes) -> bytes:
    """The name that `target` asks for, without its leading slash, UTF-8.

    A query is ignored. Raises `Refused`: 400 for a target that no honest client sends, 404 for one
    that can name no file (an empty segment, thus a folder or a doubled slash).
    """
    absolute = _ABSOLUTE.match(target)
    if absolute is not None:
        target = target[absolute.end() :] or b"/"
    if not target.startswith(b"/"):
        raise Refused(HTTPStatus.BAD_REQUEST, "the target is not a path")
    path = target.partition(b"?")[0]
    if b"#" in path:
        raise Refused(HTTPStatus.BAD_REQUEST, "the target has a fragment")
    name = _decoded(path)[1:]
    segments = name.split(b"/")
    if b".." in segments or b"." in segments:
        raise Refused(HTTPStatus.BAD_REQUEST, "the path has dot segments")
    if b"" in segments:
        raise Refused(HTTPStatus.NOT_FOUND, "the path has an empty segment")
    return name


def _decoded(path: bytes) -> bytes:
    if b"%" in path:
        if _BAD_ESCAPE.search(path):
            raise Refused(HTTPStatus.BAD_REQUEST, "the path has a broken escape")
        slashes = path.count(b"/")
        path = unquote_to_bytes(path)
        if path.count(b"/") != slashes:
            raise Refused(HTTPStatus.BAD_REQUEST, "the path has an encoded slash")
    if _SPECIAL.search(path):
        raise Refused(HTTPStatus.BAD_REQUEST, "the path has a backslash or a control character")
    try:
        path.decode()
    except UnicodeDecodeError:
        raise Refused(HTTPStatus.BAD_REQUEST, "the path is not UTF-8") from None
    return path
