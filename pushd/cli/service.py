"""`pushctl service`."""

from __future__ import annotations

from ops.service.command import PlanOf, service_command


def _plan_of() -> PlanOf:
    from pushd.service_plan import plan_of

    return plan_of


service = service_command("pushd", _plan_of)
