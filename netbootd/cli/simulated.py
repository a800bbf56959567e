"""How commands tell the boot of a simulated machine: stage by stage, or as one JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.cli import ExitCode

if TYPE_CHECKING:
    from ops.show import Run

NOT_BOOTED = "Not booted"


def run_boot(title: str, boot: Run, *, as_json: bool = False) -> ExitCode:
    """Boot, in a reactor of its own: FAILED if that did not go well."""
    if as_json:
        from ops.record import Recorder
        from ops.table import print_json

        recorder = Recorder(title)
        recorder.run(boot)
        print_json(recorder.record())
        booted = recorder.went_well
    else:
        from ops.show import show

        booted = show(title, boot, not_done=NOT_BOOTED)
    return ExitCode.OK if booted else ExitCode.FAILED
