"""The service control manager of Windows, as far as pywin32 shows it: a registry in memory.

It has the functions that `ops.service.windows` calls, with pywin32's parameters in pywin32's order,
and fails as Windows does where a service is not there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MISSING = 1060
"""ERROR_SERVICE_DOES_NOT_EXIST."""
STOPPED, RUNNING = 1, 4


class Error(Exception):
    """`pywintypes.error`."""

    def __init__(self, winerror: int, funcname: str, strerror: str) -> None:
        super().__init__(winerror, funcname, strerror)
        self.winerror = winerror
        self.funcname = funcname
        self.strerror = strerror


@dataclass
class Registered:
    """One service."""

    command: str
    account: str | None
    automatic: bool
    state: int = STOPPED
    config: dict[int, Any] = field(default_factory=dict)


class Control:
    """`pywintypes`, `win32service` and `win32serviceutil` of one computer."""

    error = Error
    SC_MANAGER_ALL_ACCESS, SERVICE_ALL_ACCESS = 0xF003F, 0xF01FF
    SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START, SERVICE_ERROR_NORMAL = 0x10, 2, 1
    SERVICE_NO_CHANGE = 0xFFFFFFFF
    SERVICE_CONFIG_DESCRIPTION, SERVICE_CONFIG_FAILURE_ACTIONS, SC_ACTION_RESTART = 1, 2, 1

    def __init__(self) -> None:
        self.services: dict[str, Registered] = {}
        self.pywintypes = self.win32service = self.win32serviceutil = self
        self.open = 0

    def OpenSCManager(self, machine: None, database: None, access: int) -> object:
        self.open += 1
        return object()

    def CloseServiceHandle(self, handle: object) -> None:
        self.open -= 1

    def OpenService(self, manager: object, name: str, access: int) -> Registered:
        found = self._find(name, "OpenService")
        self.open += 1
        return found

    def CreateService(
        self,
        manager: object,
        name: str,
        display: str,
        access: int,
        kind: int,
        start: int,
        errors: int,
        command: str,
        group: None,
        tag: int,
        needs: None,
        account: str | None,
        password: None,
    ) -> Registered:
        assert (kind, errors) == (self.SERVICE_WIN32_OWN_PROCESS, self.SERVICE_ERROR_NORMAL)
        made = Registered(command, account, start == self.SERVICE_AUTO_START)
        self.services[name] = made
        self.open += 1
        return made

    def ChangeServiceConfig(
        self,
        service: Registered,
        kind: int,
        start: int,
        errors: int,
        command: str,
        group: None,
        tag: int,
        needs: None,
        account: None,
        password: None,
        display: str,
    ) -> None:
        service.command = command

    def ChangeServiceConfig2(self, service: Registered, level: int, info: Any) -> None:
        service.config[level] = info

    def StartService(self, name: str) -> None:
        self._find(name, "StartService").state = RUNNING

    def StopServiceWithDeps(self, name: str, machine: None = None, waitSecs: int = 30) -> None:
        self._find(name, "ControlService").state = STOPPED

    def RemoveService(self, name: str) -> None:
        service = self._find(name, "DeleteService")
        assert service.state == STOPPED
        del self.services[name]

    def QueryServiceStatus(self, name: str) -> tuple[int, ...]:
        return 0x10, self._find(name, "QueryServiceStatus").state, 1, 0, 0, 0, 0

    def _find(self, name: str, function: str) -> Registered:
        if name not in self.services:
            text = "The specified service does not exist as an installed service."
            raise Error(MISSING, function, text)
        return self.services[name]
