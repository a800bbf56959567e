"""A boot as a row of steps, those to come included: what its bars show. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from netbootd.boot import Boot, BootOutcome, Stage

State = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Stages of one kind."""

    label: str
    state: State
    share: float
    """From 0 to 1."""
    detail: str = ""
    """The file or the image that it is about."""
    done: int = 0
    size: int = 0
    """Bytes; 0: it is no file."""

    @property
    def percent(self) -> int:
        return int(100 * self.share)


_MAC: Final = (
    ("choose", ("list", "select")),
    ("booter", ("booter",)),
    ("kernel", ("boot_plist", "platform_support", "kernelcache")),
    ("root image", ("root_image",)),
)
_PC: Final = (
    ("offer", ("offer", "menu", "choice")),
    ("loader", ("loader", "script", "other")),
    ("kernel", ("kernel",)),
    ("initrd", ("initrd",)),
)


def track(boot: Boot) -> list[Step]:
    """The steps of `boot`, from the first to the last that such a boot has."""
    plan = _MAC if _is_mac(boot) else _PC
    is_over = boot.outcome is not BootOutcome.BOOTING
    steps = [_step(label, [s for s in boot.stages if s.name in names]) for label, names in plan]
    if is_over or boot.verdict() is BootOutcome.BOOTED:
        # An entry may have no initrd, an image no root image of ours: what is over leaves out what
        # did not come.
        steps = [step for step in steps if step.state != "waiting"]
    return steps


def _is_mac(boot: Boot) -> bool:
    names = {stage.name for stage in boot.stages}
    return boot.client == "Mac" or bool(names & {"booter", "kernelcache", "list", "select"})


def _step(label: str, stages: Sequence[Stage]) -> Step:
    if not stages:
        return Step(label=label, state="waiting", share=0.0)
    last = stages[-1]
    done, size = sum(s.done for s in stages), sum(s.size for s in stages)
    state: State = "done"
    if last.outcome == "running":
        state = "running"
    elif last.outcome != "complete":
        # A Mac reads of its root image what it needs, and hangs up now and then.
        state = "running" if last.name == "root_image" else "failed"
    share = 1.0 if state == "done" or not size else min(1.0, done / size)
    return Step(label=label, state=state, share=share, detail=last.about, done=done, size=size)
