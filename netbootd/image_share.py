"""Where a command puts a new image, and what a netbootd that runs makes of a change."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from images.catalog import Published
from images.errors import BundleError, shown
from netbootd.booter import publication_of
from netbootd.config import Config, state_directory
from netbootd.image_list import Listed, listed_alone, record
from ops.cli import Failed
from ops.table import print_json, print_line


def share_folder(settings: Config, wanted: str | None) -> Path:
    """The folder of the share that is called `wanted`, the only one, or a folder elsewhere. It is
    made if only its last part is missing. Raises Failed."""
    shares = {share.name: share.path for share in settings.images.shares}
    if wanted is None and len(shares) > 1:
        raise Failed(f"there are several shares; name one: --share {' or '.join(shares)}")
    if wanted is None:
        (folder,) = shares.values()
    else:
        folder = shares.get(wanted) or Path(wanted)
        if wanted not in shares and not folder.is_dir():
            known = ", ".join(shares)
            raise Failed(f"{wanted} is neither a share ({known}) nor a folder that exists")
    try:
        if not folder.exists():
            folder.mkdir()
    except OSError as error:
        raise Failed(f"{folder} cannot be made: {error.strerror}; make it") from error
    return folder


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """What is wrong with an image, or with the disk, is a failure like any other. Raises Failed."""
    try:
        yield
    except BundleError as error:
        raise Failed(str(error)) from error
    except OSError as error:
        place = f"{shown(os.fsdecode(error.filename))}: " if error.filename else ""
        raise Failed(f"{place}{error.strerror or error}") from error


def tell(settings: Config, changed: Sequence[Published], *, as_json: bool) -> None:
    """Say what has become of images that are new or were changed, and what a netbootd that runs
    makes of them."""
    seen = _rescanned(settings)
    publication = publication_of(settings)
    shares = {share.path: share.name for share in settings.images.shares}
    listed = [
        replace(listed_alone(each, publication), share=shares.get(each.path.parent, ""))
        for each in changed
    ]
    if as_json:
        known = {one["path"]: one for one in seen or ()}
        records = [record(each) | {"running": known.get(shown(each.path))} for each in listed]
        print_json(records[0] if len(records) == 1 else records)
        return
    for each, found in zip(listed, changed, strict=True):
        index = "" if found.index is None else f" (index {found.index})"
        print_line(f"{shown(each.path)}: {found.title}{index}")
        for warning in found.warnings:
            print_line(f"  doubt: {warning}", "yellow")
        print_line(f"  {_outlook(seen, each)}", "dim")


def _rescanned(settings: Config) -> list[dict[str, Any]] | None:
    """Have netbootd look at its folders at once; all images as it has them then. None: it does not
    run, or we may not ask it."""
    from ops.web.client import AdminClient

    directory = state_directory(settings.state)
    try:
        client = AdminClient.find("netbootd", settings.admin, directory)
        answer: list[dict[str, Any]] = client.post("/v1/images/rescan")
    except Failed:
        return None
    return answer


def _outlook(seen: list[dict[str, Any]] | None, each: Listed) -> str:
    if seen is None:
        why = f": {each.why}" if each.why else ""
        return f"{each.state.value}{why}; a netbootd that runs notices within seconds"
    for one in seen:
        if one["path"] == shown(each.path):
            why = f": {one['why']}" if one["why"] else ""
            return f"{one['state']}{why}, says the netbootd that runs"
    return "the netbootd that runs does not serve this folder"
