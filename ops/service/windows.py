"""A daemon as a service of Windows, by pywin32: `python -m ops.service.windows netbootd COMMAND…`.

    service control manager ──▶ this program ──▶ `ops.service.parent` ──▶ twistd

pywin32 is needed on Windows only, and there only to be a service. Everything that decides something
is in `ops.service.parent`; here calls of Windows' are made.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from ops.cli import Failed
from ops.service.parent import Parent, Policy
from ops.service.plan import Plan

STATES = {
    1: "inactive",
    2: "activating",
    3: "deactivating",
    4: "active",
    5: "activating",
    6: "deactivating",
    7: "inactive",
}
"""SERVICE_STATUS.dwCurrentState, in the words of systemd."""
RESTART = (5_000, 30_000, 60_000)
"""Milliseconds after which Windows starts the parent again, should that end by itself."""
FORGET = 24 * 3600
"""Seconds after which Windows forgets such ends."""
PATIENCE = 90
"""Seconds for a stop; the parent kills its child after 60."""


class Windows:
    """The service manager of this computer. Methods raise Failed."""

    def __init__(self, say: Callable[[str], object], modules: Any = None) -> None:
        """`modules` has win32service, win32serviceutil, pywintypes; default: pywin32's."""
        self._say = say
        self._modules = modules or _modules()
        self._errors = (self._modules.pywintypes.error,)

    def install(self, plan: Plan, *, start: bool) -> None:
        """Register the service, or bring a registered one up to `plan`; start it."""
        service = self._modules.win32service
        command = subprocess.list2cmdline(host_command(plan))
        manager = service.OpenSCManager(None, None, service.SC_MANAGER_ALL_ACCESS)
        try:
            handle = self._opened(manager, plan.daemon)
            if handle is None:
                handle = self._created(manager, plan, command)
                self._say(f"service {plan.daemon} registered")
            else:
                self._changed(handle, plan, command)
                self._say(f"service {plan.daemon} brought up to date")
            try:
                self._describe(handle, plan)
            finally:
                service.CloseServiceHandle(handle)
        except self._errors as error:
            raise self._failed("cannot be installed", plan.daemon, error) from None
        finally:
            service.CloseServiceHandle(manager)
        if start:
            self._restart(plan.daemon)

    def uninstall(self, daemon: str) -> None:
        """Stop the service and remove it. State and configuration stay."""
        util = self._modules.win32serviceutil
        try:
            if self.status(daemon)["state"] != "inactive":
                util.StopServiceWithDeps(daemon, waitSecs=PATIENCE)
            util.RemoveService(daemon)
        except self._errors as error:
            raise self._failed("cannot be removed", daemon, error) from None
        self._say(f"service {daemon} removed; its configuration and its state stay")

    def status(self, daemon: str) -> dict[str, str]:
        """What Windows says of the service."""
        try:
            status = self._modules.win32serviceutil.QueryServiceStatus(daemon)
        except self._errors as error:
            raise self._failed("cannot be asked for", daemon, error) from None
        return {"state": STATES.get(status[1], "unknown"), "exit status": str(status[3])}

    def _opened(self, manager: Any, daemon: str) -> Any:
        service = self._modules.win32service
        try:
            return service.OpenService(manager, daemon, service.SERVICE_ALL_ACCESS)
        except self._errors as error:
            if error.winerror != 1060:  # ERROR_SERVICE_DOES_NOT_EXIST
                raise
            return None

    def _created(self, manager: Any, plan: Plan, command: str) -> Any:
        service = self._modules.win32service
        return service.CreateService(
            manager,
            plan.daemon,
            plan.daemon,
            service.SERVICE_ALL_ACCESS,
            service.SERVICE_WIN32_OWN_PROCESS,
            service.SERVICE_AUTO_START,
            service.SERVICE_ERROR_NORMAL,
            command,
            None,
            0,
            None,
            r"NT AUTHORITY\LocalService",
            None,
        )

    def _changed(self, handle: Any, plan: Plan, command: str) -> None:
        service = self._modules.win32service
        service.ChangeServiceConfig(
            handle,
            service.SERVICE_NO_CHANGE,
            service.SERVICE_AUTO_START,
            service.SERVICE_NO_CHANGE,
            command,
            None,
            0,
            None,
            None,
            None,
            plan.daemon,
        )

    def _describe(self, handle: Any, plan: Plan) -> None:
        service = self._modules.win32service
        service.ChangeServiceConfig2(handle, service.SERVICE_CONFIG_DESCRIPTION, plan.description)
        actions = [(service.SC_ACTION_RESTART, pause) for pause in RESTART]
        service.ChangeServiceConfig2(
            handle,
            service.SERVICE_CONFIG_FAILURE_ACTIONS,
            {"ResetPeriod": FORGET, "RebootMsg": "", "Command": "", "Actions": actions},
        )

    def _restart(self, daemon: str) -> None:
        util = self._modules.win32serviceutil
        try:
            if self.status(daemon)["state"] != "inactive":
                util.StopServiceWithDeps(daemon, waitSecs=PATIENCE)
            util.StartService(daemon)
        except self._errors as error:
            raise self._failed("did not start; see the event log", daemon, error) from None
        self._say(f"service {daemon} started")

    def _failed(self, what: str, daemon: str, error: Any) -> Failed:
        return Failed(f"service {daemon} {what}: {error.strerror}; run this as administrator")


def host_command(plan: Plan) -> list[str]:
    """What the service control manager runs."""
    return [sys.executable, "-m", "ops.service.windows", plan.daemon, *plan.command]


def _modules() -> Any:
    try:
        import pywintypes
        import win32service
        import win32serviceutil
    except ImportError:
        raise Failed("pywin32 is not installed; pip install pywin32") from None

    class Modules:
        pass

    modules: Any = Modules()
    modules.pywintypes = pywintypes
    modules.win32service = win32service
    modules.win32serviceutil = win32serviceutil
    return modules


def main(arguments: list[str]) -> None:
    """Be the service. Windows calls `SvcDoRun` and, from another thread, `SvcStop`."""
    import servicemanager
    import win32service
    import win32serviceutil

    daemon, *command = arguments

    class Host(win32serviceutil.ServiceFramework):  # type: ignore[misc]
        _svc_name_ = daemon
        _svc_display_name_ = daemon

        def __init__(self, given: Any) -> None:
            super().__init__(given)
            self._parent = Parent(command, self, policy=Policy())

        def SvcDoRun(self) -> None:
            status = self._parent.run()
            if status:  # Windows starts again what ended without having said so
                os._exit(status)

        def SvcStop(self) -> None:
            self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING, waitHint=PATIENCE * 1000)
            self._parent.stop()

        def running(self) -> None:
            self.ReportServiceStatus(win32service.SERVICE_RUNNING)

        def stopping(self) -> None:
            self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING, waitHint=PATIENCE * 1000)

        def event(self, text: str, *, is_error: bool) -> None:
            write = servicemanager.LogErrorMsg if is_error else servicemanager.LogInfoMsg
            write(f"{daemon}: {text}")

    servicemanager.Initialize()
    servicemanager.PrepareToHostSingle(Host)
    servicemanager.StartServiceCtrlDispatcher()


if __name__ == "__main__":
    main(sys.argv[1:])
