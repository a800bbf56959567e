"""Whether a console could start as it is configured."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from ops.finding import Finding, Severity
from ops.look.secret import about_secret
from ops.owner import owners_of
from ops.start import StartError
from ops.web.console import tls_of
from ops.web.password import PasswordError, PasswordFile
from ops.web.settings import ConsoleSettings

SUBJECT = "console"


def about_console(settings: ConsoleSettings, lock: Path) -> Iterator[Finding]:
    """Password, certificate, port. Of a console that is off nothing. `lock` is the file that a
    running daemon of this configuration holds open."""
    if not settings.enabled:
        return
    if settings.password_file is not None:
        try:
            PasswordFile(settings.password_file).line()
        except PasswordError as error:
            yield Finding.of(Severity.ERROR, SUBJECT, f"console.password_file: {error}")
    if settings.certificate is not None:
        try:
            tls_of(settings)
        except StartError as error:
            yield Finding.of(Severity.ERROR, SUBJECT, str(error))
    for secret in (settings.password_file, settings.key):
        if secret is not None:
            yield from about_secret(SUBJECT, secret)
    where = ", ".join(settings.addresses)
    problem = _why_not(settings, lock)
    if problem is None:
        kind = "to look only" if settings.password_file is None else "with a password"
        yield Finding(Severity.OK, SUBJECT, f"TCP port {settings.port} on {where}, {kind}")
    else:
        yield Finding.of(Severity.ERROR, SUBJECT, problem)


def _why_not(settings: ConsoleSettings, lock: Path) -> str | None:
    """Why the port cannot be had; None also where the daemon that runs has it."""
    for address in settings.addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with closing(socket.socket(family, socket.SOCK_STREAM)) as sock:
            if os.name == "posix":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((address, settings.port))
            except OSError as error:
                if owners_of("TCP", settings.port, lock).is_ours:
                    continue
                what = f"TCP port {settings.port} on {address} cannot be had ({error.strerror})"
                return f"{what}; set console.port to another, or correct console.addresses"
    return None
