"""`netbootctl images import`: a bundle copied into a share, verified there, and then let appear."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from images.bundle import read_bundle_thd
from images.errors import shown
from images.importer import (
    Import,
    discard_thd,
    find_source_thd,
    import_thd,
    plan_import_thd,
    publish_thd,
)
from netbootd.image_share import share_folder, tell, told_in_one_line
from netbootd.image_show import LOCK, shelf_thd
from netbootd.image_verify import is_intact, verified_thd, watched
from ops.amount import size_text
from ops.cli import Failed
from ops.lock import FileLock
from ops.table import print_line

GOES_ON: Final = "the same command goes on from here"


def import_image(
    configuration: Path | None,
    source: Path,
    share: str | None,
    keys: Mapping[str, Any],
    *,
    is_verified: bool,
    as_json: bool,
) -> None:
    """Copy the bundle `source`, with `keys` set in its NBImageInfo.plist. Raises Failed."""
    shelf = shelf_thd(configuration)
    root = share_folder(shelf.settings, share)
    with told_in_one_line():
        plan = plan_import_thd(find_source_thd(source), root, shelf.snapshot, keys=keys)
        plan.staging.mkdir(exist_ok=True)
        lock = FileLock(plan.staging / LOCK)
        if not lock.acquire():
            place = shown(plan.target)
            raise Failed(f"{place} is being imported by another netbootctl; wait for it")
        try:
            _copied(plan, quiet=as_json)
            if is_verified:
                _require_intact(plan, quiet=as_json)
            bundle = publish_thd(plan)
        except KeyboardInterrupt:
            click.echo(f"cut off; {GOES_ON}, or give up: remove {shown(plan.staging)}", err=True)
            raise
        finally:
            lock.release()
        discard_thd(plan)  # again, for Windows: the lock was in it
    tell(shelf.settings, [bundle], as_json=as_json)


def _copied(plan: Import, *, quiet: bool) -> None:
    there = plan.staged_thd()
    with watched(quiet=quiet) as screen:
        if there and not quiet:
            print_line(f"goes on with a copy that was cut off at {size_text(there)}", "dim")
        screen.copies(shown(plan.bundle.path))
        import_thd(plan, screen.progressed)
        screen.copied(f"{size_text(plan.size)} in {len(plan.bundle.files)} files")


def _require_intact(plan: Import, *, quiet: bool) -> None:
    """A copy of something damaged is not worth keeping."""
    checks = verified_thd(read_bundle_thd(plan.copy), quiet=quiet)
    if not is_intact(checks):
        discard_thd(plan)
        (bad, *_) = [check for check in checks if not is_intact([check])]
        place = shown(plan.bundle.path / bad.subject)
        raise Failed(f"{place} {bad.text}, so nothing was imported; {bad.remedy}")
