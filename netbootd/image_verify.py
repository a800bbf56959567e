"""`netbootctl images verify`: images read to their last byte, with a bar while it lasts."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from images.bundle import SUFFIX, Bundle, read_bundle_thd
from images.entry import BootEntry
from images.errors import BundleError, shown
from images.verify import Check, Grade, checks_thd
from netbootd.image_list import Listed, State
from netbootd.image_show import NOTHING, shelf_thd
from ops.amount import size_text
from ops.screen import ScreenWatcher
from ops.table import print_json, print_line, terminal


def verify_images(configuration: Path | None, wanted: Sequence[str], *, as_json: bool) -> bool:
    """Verify the images that are `wanted`, or all; whether all are intact."""
    elsewhere = [Path(each) for each in wanted if _is_elsewhere(each)]
    named = [each for each in wanted if not _is_elsewhere(each)]
    chosen: list[Listed] = []
    if named or not elsewhere:
        shelf = shelf_thd(configuration)
        chosen = [shelf.one(each) for each in named] or shelf.everything
    chosen += [_alone(path) for path in elsewhere]
    results = []
    for each in chosen:
        if not as_json:
            print_line(_title(each), "bold")
        results.append((each, _checks(each, quiet=as_json)))
    if as_json:
        print_json([_record(each, checks) for each, checks in results])
    elif not chosen:
        print_line(NOTHING)
    elif len(results) > 1:
        print_line(_verdict([is_intact(checks) for _, checks in results]))
    return all(is_intact(checks) for _, checks in results)


def _verdict(intact: Sequence[bool]) -> str:
    wrong = intact.count(False)
    return (
        f"{len(intact)} images are intact"
        if not wrong
        else f"{wrong} of {len(intact)} images are not intact"
    )


def _is_elsewhere(wanted: str) -> bool:
    return wanted.endswith((SUFFIX, f"{SUFFIX}/")) and Path(wanted).is_dir()


def _alone(path: Path) -> Listed:
    """A folder that lies in no share."""
    try:
        found = read_bundle_thd(path)
    except BundleError as error:
        return Listed(
            path=path,
            share="",
            state=State.BROKEN,
            found=None,
            why=error.why,
            remedy=error.remedy,
        )
    return Listed(path=path, share=found.share, state=State.SERVED, found=found)


def _title(each: Listed) -> str:
    return each.name if each.found is None else f"{each.name}: {each.found.title}"


def is_intact(checks: Sequence[Check]) -> bool:
    """Whether nothing is wrong; doubts are not."""
    return all(check.grade is not Grade.BAD for check in checks)


def _checks(each: Listed, *, quiet: bool) -> list[Check]:
    if each.found is None:
        check = Check(subject="folder", grade=Grade.BAD, text=each.why or "", remedy=each.remedy)
        with watched(quiet=quiet) as screen:
            screen.began(check.subject)
            screen.tell(check, None)
        return [check]
    return verified_thd(each.found, quiet=quiet)


def verified_thd(found: Bundle | BootEntry, *, quiet: bool) -> list[Check]:
    """Verify one image, and show it unless `quiet`: a bar on a terminal, a line for each file."""
    checks = []
    with watched(quiet=quiet) as screen:
        for check in checks_thd(found, screen):
            screen.tell(check, found.sizes.get(check.subject))
            checks.append(check)
    return checks


class Screen:
    """Shows a bar for the file that is read, and a line for each that has been."""

    def __init__(self, watcher: ScreenWatcher) -> None:
        self._watcher = watcher

    def began(self, subject: str) -> None:
        self._watcher.began(_short(subject), subject)

    def progressed(self, done: int, total: int) -> None:
        self._watcher.progressed(done, total)

    def copies(self, what: str) -> None:
        """A copy begins."""
        self._watcher.began("copy", what)

    def copied(self, what: str) -> None:
        self._watcher.ended(what)

    def tell(self, check: Check, size: int | None) -> None:
        text = check.text if size is None else f"{size_text(size)}, {check.text}"
        if check.remedy is not None:
            text += f"; {check.remedy}"
        match check.grade:
            case Grade.OK:
                self._watcher.ended(text)
            case Grade.DOUBT:
                self._watcher.doubted(_short(check.subject), text)
            case Grade.BAD:
                self._watcher.failed(_short(check.subject), text)


def _short(name: str) -> str:
    """A file by its last name, which has room beside a bar."""
    return shown(name.rsplit("/", 1)[-1])


@contextmanager
def watched(*, quiet: bool = False) -> Iterator[Screen]:
    """The screen, given back as it was."""
    watcher = ScreenWatcher(console(quiet=quiet), time.monotonic)
    try:
        yield Screen(watcher)
    finally:
        watcher.close()


def console(*, quiet: bool = False) -> Console:
    """Standard output, or nowhere if `quiet`; what a terminal cannot show is a question mark."""
    if quiet:
        return Console(file=io.StringIO())
    return terminal() or Console(highlight=False)


def _record(each: Listed, checks: Sequence[Check]) -> dict[str, Any]:
    return {
        "name": each.name,
        "path": shown(each.path),
        "intact": is_intact(checks),
        "checks": [
            {
                "subject": check.subject,
                "result": check.grade.value,
                "text": check.text,
                "remedy": check.remedy,
            }
            for check in checks
        ],
    }
