"""One boot of one machine, stage by stage, as far as a server sees it: folded from the events of
its timeline.

    Mac   list ─▶ select ─▶ booter ─▶ platform_support … kernelcache ─▶ root_image
    PC    offer (menu, choice) ─▶ loader ─▶ script ─▶ kernel, initrd

A boot ends when another one begins, or when its machine has been silent for a while. What a machine
does once it has all that it boots from, no server sees: a boot that went so far is `booted`.

No I/O and no clock: `now` comes with the events.
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from netbootd.boot_log import OPTIONAL_FILES
from netbootd.event import (
    BootMenuOffered,
    BootOffered,
    EntrySelected,
    Event,
    FileMissing,
    ImageOffered,
    ImageSelected,
    ImagesListed,
    PxeEvent,
    SelectionFailed,
    TransferFinished,
    TransferProgressed,
    TransferStarted,
)
from netbootd.transfer import Outcome as Transferred

QUIET: Final = timedelta(minutes=5)
"""Silence after which a boot is over: who sits before a menu takes a minute, TFTP gives up after
half of one."""
SETTLED: Final = timedelta(seconds=30)
"""Silence after which a machine that has all that it boots from has booted."""
MAX_OPEN: Final = 4096
"""Boots under way at once; the one that is silent for longest is ended for another. As many as the
timeline has machines, at about 3 kB each: 12 MiB."""
MAX_STAGES: Final = 32
"""Stages kept of a boot; GRUB loads a dozen modules."""

UP_TO_KERNEL: Final = frozenset({"booter", "loader", "script"})
KERNELS: Final = frozenset({"kernelcache", "kernel"})
NEEDED: Final = UP_TO_KERNEL | KERNELS | {"initrd"}
"""What must have been read whole. Of its root image a Mac reads what it needs."""
BEGINS: Final = UP_TO_KERNEL | KERNELS
"""What a machine that never spoke to us but by TFTP or HTTP begins with."""


class BootOutcome(enum.Enum):
    """How a boot went, as far as a server can tell."""

    BOOTING = "booting"
    BOOTED = "booted"
    """It has read all that it boots from."""
    STOPPED = "stopped"
    """The machine went no further, and did not say why."""
    FAILED = "failed"
    """We could not give it what it needs."""
    INTERRUPTED = "interrupted"
    """netbootd was stopped meanwhile."""


@dataclass(slots=True, eq=False)
class Stage:
    """A step of a boot. Times are aware UTC."""

    name: str
    """A role of `images.paths`, or list, select, offer, menu, choice."""
    about: str
    """The file, the image, or what else there is to say."""
    began: datetime
    ended: datetime | None = None
    done: int = 0
    """Bytes of the file that were read."""
    size: int = 0
    """Bytes in the file; 0: the stage is no file."""
    outcome: str = "running"
    """`running`, or a value of `netbootd.transfer.Outcome`."""
    earlier: int = 0
    """Bytes of it that earlier connections have read."""
    whole: tuple[datetime, int] | None = None
    """When it was complete, and its bytes, if it is read once more."""

    def record(self) -> dict[str, Any]:
        """The stage for programs."""
        return {
            "name": self.name,
            "about": self.about,
            "began": stamp(self.began),
            "ended": None if self.ended is None else stamp(self.ended),
            "done": self.done,
            "size": self.size,
            "outcome": self.outcome,
        }


@dataclass(slots=True, eq=False)
class Boot:
    """A boot, as it goes. Times are aware UTC."""

    machine: str
    address: str
    began: datetime
    ended: datetime
    """When it was last heard of."""
    number: int | None = None
    """Its key in the store, once it is there."""
    client: str = ""
    """What boots: `Mac`, `PXE`, `HTTP boot`, `iPXE`; empty: it only reads files."""
    architecture: str = ""
    model: str = ""
    image: str = ""
    outcome: BootOutcome = BootOutcome.BOOTING
    why: str = ""
    """What kept it from going on, if that is known."""
    size: int = 0
    """Bytes that we have sent it."""
    stages: list[Stage] = field(default_factory=list)
    starts: bool = False
    """Whether what was offered is what it boots, not a loader that asks again."""

    def record(self) -> dict[str, Any]:
        """The boot for programs."""
        return {
            "number": self.number,
            "machine": self.machine,
            "address": self.address,
            "client": self.client,
            "architecture": self.architecture,
            "model": self.model,
            "image": self.image,
            "began": stamp(self.began),
            "ended": stamp(self.ended),
            "outcome": self.outcome.value,
            "why": self.why,
            "bytes": self.size,
            "stages": [stage.record() for stage in self.stages],
        }

    def has(self, names: frozenset[str]) -> bool:
        """Whether a stage of one of these names has begun."""
        return any(stage.name in names for stage in self.stages)

    @property
    def has_read(self) -> bool:
        """Whether it has read a file, or begun to."""
        return any(stage.size for stage in self.stages)

    def verdict(self) -> BootOutcome:
        """How it went, if it does not go on."""
        needed = [stage for stage in self.stages if stage.name in NEEDED]
        if any(stage.outcome == Transferred.FAILED.value for stage in self.stages):
            return BootOutcome.FAILED
        if needed and needed[-1].outcome == Transferred.COMPLETE.value:
            last = needed[-1].name
            has_kernel = any(s.name in KERNELS and s.outcome == "complete" for s in needed)
            if has_kernel or (self.starts and last in ("loader", "script")):
                return BootOutcome.BOOTED
        return BootOutcome.STOPPED

    def told_why(self) -> str:
        """What it stopped at, where nothing better is known."""
        if not self.stages:
            return ""
        last = self.stages[-1]
        if last.name in ("offer", "menu"):
            return f"it was told of {last.about}, and never came for it"
        if last.outcome not in ("running", "complete"):
            share = f" at {100 * last.done // last.size} %" if last.size else ""
            return f"{last.about}: {last.outcome}{share}"
        return f"nothing came after {last.about}"


Listener = Callable[[Boot], object]
"""Told of each boot that has changed, or ended."""


class Boots:
    """The boots under way. Reactor thread only."""

    def __init__(self, ended: Listener, changed: Listener) -> None:
        """`ended` is told each boot that is over, once; `changed` each that has gone on."""
        self._ended = ended
        self._changed = changed
        self._open: OrderedDict[str, Boot] = OrderedDict()

    def under_way(self) -> tuple[Boot, ...]:
        """Longest silent first."""
        return tuple(self._open.values())

    def of(self, machine: str) -> Boot | None:
        return self._open.get(machine)

    def heard(self, event: Event) -> None:
        """Take an event of a machine's timeline."""
        take = _TAKES.get(type(event))
        if take is None:
            return
        boot = self._open.get(event.machine)
        if boot is not None and _is_another(boot, event):
            self._end(boot)
            boot = None
        if boot is None:
            if not _begins(event):
                return
            boot = self._begin(event)
        boot.ended = event.at
        if event.address != "0.0.0.0":  # noqa: S104 - none yet
            boot.address = event.address
        self._open.move_to_end(event.machine)
        take(boot, event)
        self._changed(boot)

    def end_quiet(self, now: datetime) -> None:
        """End those that nothing was heard of for `QUIET`, or for `SETTLED` if that is good."""
        for boot in self.under_way():
            silence = now - boot.ended
            if silence < SETTLED:
                return
            if silence >= QUIET or boot.verdict() is BootOutcome.BOOTED:
                self._end(boot)

    def end_all(self) -> None:
        """netbootd stops."""
        for boot in self.under_way():
            self._end(boot, interrupted=True)

    def _begin(self, event: Event) -> Boot:
        if len(self._open) >= MAX_OPEN:
            self._end(next(iter(self._open.values())))
        boot = Boot(machine=event.machine, address=event.address, began=event.at, ended=event.at)
        self._open[event.machine] = boot
        return boot

    def _end(self, boot: Boot, *, interrupted: bool = False) -> None:
        del self._open[boot.machine]
        if [stage.name for stage in boot.stages] == ["list"]:
            return  # System Preferences looked, too
        boot.outcome = boot.verdict() if boot.outcome is BootOutcome.BOOTING else boot.outcome
        if interrupted and boot.outcome is BootOutcome.STOPPED:
            boot.outcome = BootOutcome.INTERRUPTED
        elif boot.outcome is BootOutcome.BOOTED:
            boot.why = ""
        else:
            boot.why = boot.why or boot.told_why()
        self._ended(boot)


# Which events are a boot's first, and which another's.


def _begins(event: Event) -> bool:
    if isinstance(event, TransferStarted):
        return event.role in BEGINS
    return isinstance(
        event, (ImagesListed, ImageSelected, SelectionFailed, BootOffered, BootMenuOffered)
    )


def _is_another(boot: Boot, event: Event) -> bool:
    match event:
        case ImagesListed():
            return boot.has(frozenset({"select"})) or boot.has_read
        case ImageSelected() | SelectionFailed() | ImageOffered():
            return boot.has_read
        case BootOffered(client="iPXE") | BootMenuOffered(client="iPXE"):
            return boot.has(KERNELS)  # the loader that we gave it asks, too
        case BootOffered() | BootMenuOffered():
            return boot.has_read
        case TransferStarted(role="booter"):
            return boot.has(KERNELS)  # it was started anew, and knows its image
        case _:
            return False


# What each event means for a boot.


def _list(boot: Boot, event: Any) -> None:
    _about_mac(boot, event)
    if not boot.has(frozenset({"list"})):
        _step(boot, event, "list", "1 image" if event.images == 1 else f"{event.images} images")


def _select(boot: Boot, event: Any) -> None:
    _about_mac(boot, event)
    boot.image = event.image
    boot.outcome, boot.why = BootOutcome.BOOTING, ""
    _step(boot, event, "select", event.image)


def _refuse(boot: Boot, event: Any) -> None:
    _about_mac(boot, event)
    stage = _step(boot, event, "select", f"image {event.image_id:#010x}")
    stage.outcome = Transferred.FAILED.value
    boot.why = event.why


def _about_mac(boot: Boot, event: Any) -> None:
    boot.client = "Mac"
    boot.architecture, boot.model = event.architecture, event.system_id


def _offer_image(boot: Boot, event: ImageOffered) -> None:
    boot.client, boot.image = "Mac", event.image


def _offer(boot: Boot, event: BootOffered) -> None:
    _about_pc(boot, event)
    boot.starts = bool(event.entry)
    boot.image = event.entry or boot.image
    _step(boot, event, "offer", event.file)


def _offer_menu(boot: Boot, event: BootMenuOffered) -> None:
    _about_pc(boot, event)
    _step(boot, event, "menu", f"a menu of {event.entries}")


def _choose(boot: Boot, event: EntrySelected) -> None:
    boot.architecture, boot.image, boot.starts = event.platform, event.title, True
    _step(boot, event, "choice", event.title)


def _about_pc(boot: Boot, event: PxeEvent) -> None:
    boot.client = boot.client or event.client
    boot.architecture = event.platform


def _start(boot: Boot, event: TransferStarted) -> None:
    stage = _stage(boot, event.role, event.name)
    if stage is None:
        _step(boot, event, event.role, event.name, size=event.size)
        return
    if stage.ended is not None:  # once more: TFTP from the beginning, HTTP where it was
        if stage.outcome == Transferred.COMPLETE.value:
            stage.whole = (stage.ended, stage.done)
        stage.earlier = stage.done if event.service != "tftp" else 0
        stage.done, stage.ended, stage.outcome = stage.earlier, None, "running"


def _progress(boot: Boot, event: TransferProgressed | TransferFinished) -> None:
    stage = _stage(boot, event.role, event.name)
    if stage is not None:
        done = max(stage.done, stage.earlier + event.sent)
        boot.size += done - stage.done
        stage.done = done


def _finish(boot: Boot, event: TransferFinished) -> None:
    stage = _stage(boot, event.role, event.name)
    if event.outcome is Transferred.COMPLETE:
        if stage is None:  # a repeated request, which was no reading, took it away
            stage = _step(boot, event, event.role, event.name, size=event.size)
        _progress(boot, event)
        stage.ended, stage.outcome = event.at, event.outcome.value
    elif stage is None or stage.outcome == Transferred.COMPLETE.value:
        return  # a request that was repeated, for its first answer was late: it has the file
    elif stage.whole is not None:  # likewise
        (stage.ended, stage.done), stage.outcome = stage.whole, Transferred.COMPLETE.value
    elif event.outcome is not Transferred.PROBE:
        _progress(boot, event)
        stage.ended, stage.outcome = event.at, event.outcome.value
    elif not stage.done:  # no reading at all: what follows is
        boot.stages.remove(stage)


def _miss(boot: Boot, event: FileMissing) -> None:
    if not OPTIONAL_FILES.search(event.name.replace("\\", "/")):
        boot.why = f"{event.name}: {event.why}"


def _stage(boot: Boot, name: str, about: str) -> Stage | None:
    for stage in reversed(boot.stages):
        if stage.name == name and stage.about == about:
            return stage
    return None


def _step(boot: Boot, event: Event, name: str, about: str, *, size: int = 0) -> Stage:
    """A new stage; one that is no file is over at once, and replaces its like."""
    is_file = isinstance(event, (TransferStarted, TransferFinished))
    stage = Stage(name=name, about=about, began=event.at, size=size)
    if not is_file:
        stage.ended, stage.outcome = event.at, Transferred.COMPLETE.value
        if boot.stages and boot.stages[-1].name == name:
            stage.began = boot.stages.pop().began
    if len(boot.stages) < MAX_STAGES:
        boot.stages.append(stage)
    return stage


_TAKES: Final[dict[type[Event], Callable[[Boot, Any], None]]] = {
    ImagesListed: _list,
    ImageSelected: _select,
    SelectionFailed: _refuse,
    ImageOffered: _offer_image,
    BootOffered: _offer,
    BootMenuOffered: _offer_menu,
    EntrySelected: _choose,
    TransferStarted: _start,
    TransferProgressed: _progress,
    TransferFinished: _finish,
    FileMissing: _miss,
}


def stamp(moment: datetime) -> str:
    """A moment for programs: RFC 3339, UTC, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
