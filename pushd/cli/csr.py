"""`pushctl csr`: ask Apple for a push certificate."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ops.table import Cell

APP = (
    "at developer.apple.com, Certificates: new, “Apple Push Notification service SSL”, choose the"
    " app, upload {request}, download the .cer"
)
MDM = (
    "have {request} signed by your MDM vendor: Apple takes it from nobody else",
    "at identity.apple.com/pushcert upload what the vendor returns: Create, or Renew with the same"
    " Apple Account; download the .pem",
)


@click.group(short_help="Ask Apple for a certificate.")
def csr() -> None:
    """Requests for push certificates (certificate signing requests)."""


@csr.command(short_help="Make a key and a request.")
@click.argument("name")
@click.option("--mdm", is_flag=True, help="For MDM; otherwise for an app.")
@click.option("--email", metavar="ADDRESS", help="Yours, or of those who look after it.")
@click.option("--common-name", metavar="TEXT", help="What it is for. Default: NAME.")
@click.option("--country", metavar="CODE", help="Two letters.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="FOLDER",
    help="Where both are written. Default: this one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was made as JSON.")
def new(
    name: str,
    mdm: bool,
    email: str | None,
    common_name: str | None,
    country: str | None,
    directory: Path,
    as_json: bool,
) -> None:
    """Make a key, NAME.key, that you alone can read, and the request for its certificate, NAME.csr.

    The request goes to Apple, the key stays here. What Apple returns is taken in by
    `pushctl credentials import`. Nothing of an existing key is overwritten.
    """
    from ops.cli import Failed
    from ops.table import print_facts, print_json
    from pushd.certificate_request import Requester, new_request

    key, request = directory / f"{name}.key", directory / f"{name}.csr"
    try:
        made = new_request(Requester(common_name=common_name or name, email=email, country=country))
    except ValueError as error:
        raise Failed(f"no certificate can hold that: {error}") from error
    try:
        _write_new(key, made.key, 0o600)
        request.write_bytes(made.request)
    except FileExistsError as error:
        raise Failed(f"{key} exists; choose another name, or use the one you have") from error
    except OSError as error:
        raise Failed(f"{error.filename}: cannot be written ({error.strerror})") from error
    steps = _steps(name, key, request, mdm)
    if as_json:
        print_json({"key": str(key), "request": str(request), "next": steps})
        return
    facts: list[tuple[str, Cell]] = [("key", f"{key} (keep it)"), ("request", str(request))]
    facts += [(f"{number}.", step) for number, step in enumerate(steps, 1)]
    print_facts(facts)


def _steps(name: str, key: Path, request: Path, mdm: bool) -> list[str]:
    """What follows, at Apple's and here."""
    steps = MDM if mdm else (APP,)
    file = f"MDM_{name}.pem" if mdm else "aps.cer"
    return [
        *(step.format(request=request) for step in steps),
        f"pushctl credentials import {file} --key {key}",
    ]


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Raises FileExistsError, or another OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
