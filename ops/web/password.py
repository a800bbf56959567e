"""The password of a console: one line in a file, by scrypt (RFC 7914), as PHC writes such lines.

    $scrypt$ln=15,r=8,p=3$<salt>$<hash>

The file is read anew when it changes, so that a new password needs no restart.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from pathlib import Path
from typing import Final

LOG_N: Final = 15
R: Final = 8
P: Final = 3
"""N = 2**15, r = 8, p = 3, as OWASP's Password Storage Cheat Sheet has it: 32 MiB and about a
quarter of a second."""
MAX_MEMORY: Final = 160 << 20
"""Bytes for a hash of somebody else's making: N = 2**17, r = 8 takes 128 MiB."""
MIN_LENGTH: Final = 10
MAX_LENGTH: Final = 1000
"""Characters of a password."""
MAX_FILE: Final = 4096

_LINE: Final = re.compile(
    r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,2}),p=([0-9]{1,2})\$([A-Za-z0-9+/]{8,88})\$([A-Za-z0-9+/]{20,88})"
)


class PasswordError(Exception):
    """The password file is of no use; `str()` says why, and what to do."""


def hashed_thd(password: str, salt: bytes | None = None) -> str:
    """The line for `password`. Takes a quarter of a second."""
    salt = os.urandom(16) if salt is None else salt
    key = _key_thd(password, salt, LOG_N, R, P, 32)
    return f"$scrypt$ln={LOG_N},r={R},p={P}${_text(salt)}${_text(key)}"


def is_right_thd(password: str, line: str) -> bool:
    """Whether `password` is that of `line`. Takes as long if not. Raises PasswordError."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise PasswordError("holds no password; make it anew with the command `console password`")
    log_n, r, p = (int(number) for number in match.groups()[:3])
    try:
        salt, expected = _bytes(match[4]), _bytes(match[5])
        key = _key_thd(password, salt, log_n, r, p, len(expected))
    except (ValueError, TypeError, MemoryError) as error:  # numbers that OpenSSL refuses
        raise PasswordError(f"holds a password that cannot be checked ({error})") from None
    return hmac.compare_digest(key, expected)


def _key_thd(password: str, salt: bytes, log_n: int, r: int, p: int, size: int) -> bytes:
    secret = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=1 << log_n, r=r, p=p, maxmem=MAX_MEMORY, dklen=size)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


class PasswordFile:
    """The line in a file, as it is at the moment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._line = ""

    def line(self) -> str:
        """Raises PasswordError."""
        try:
            status = os.stat(self._path)
            seen = status.st_mtime_ns, status.st_size, status.st_ino
            if seen != self._seen:
                with open(self._path, encoding="ascii", errors="replace") as file:
                    self._line = file.read(MAX_FILE).strip()
                self._seen = seen
        except OSError as error:
            raise PasswordError(
                f"{self._path} cannot be read ({error.strerror}); make it with the command"
                " `console password`"
            ) from error
        if _LINE.fullmatch(self._line) is None:
            raise PasswordError(
                f"{self._path} holds no password; make it anew with the command `console password`"
            )
        return self._line
