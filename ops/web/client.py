"""How a command reaches a daemon that runs: its admin API, synchronously.

    client = AdminClient.find("netbootd", settings.admin, state_directory)
    client.get("/v1/machines", state="booting")
    for event in client.events("/v1/events"): …

What cannot be done raises `ops.cli.Failed` with one line.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import msgspec

from ops.cli import Failed
from ops.web.admin import LOOPBACK, SOCKET, Loopback
from ops.web.settings import AdminSettings

TIMEOUT = 60.0
"""Seconds that a daemon may take to answer; for events there is no such time."""


class NotRunning(Failed):
    """Nobody listens: the daemon does not run, or not with this configuration."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class AdminClient:
    """Asks one daemon."""

    def __init__(self, daemon: str, *, path: Path, loopback: Loopback | None = None) -> None:
        self._daemon = daemon
        self._path = path
        self._loopback = loopback

    @classmethod
    def find(cls, daemon: str, settings: AdminSettings, directory: Path) -> Self:
        """The daemon with these settings, whose database is in `directory`. Raises Failed, but not
        yet where nobody listens."""
        if not settings.enabled:
            raise Failed(f"the admin API of {daemon} is switched off; set admin.enabled = true")
        known = directory / LOOPBACK
        try:
            return cls(
                daemon, path=known, loopback=msgspec.json.decode(known.read_bytes(), type=Loopback)
            )
        except FileNotFoundError:
            return cls(daemon, path=settings.socket or directory / SOCKET)
        except PermissionError as error:
            raise Failed(_forbidden(daemon, known)) from error
        except (OSError, msgspec.DecodeError) as error:
            raise Failed(f"{known} cannot be read: {error}") from error

    def get(self, path: str, **query: object) -> Any:
        """What is there. `query` becomes parameters, those that are None left out."""
        return self._ask("GET", path, query=query)

    def post(self, path: str, value: Any = None) -> Any:
        """Have something done; `value` is sent as JSON."""
        return self._ask("POST", path, value)

    def put(self, path: str, value: Any = None) -> Any:
        """Have something be so."""
        return self._ask("PUT", path, value)

    def delete(self, path: str, **query: object) -> Any:
        """Have something removed."""
        return self._ask("DELETE", path, query=query)

    def events(self, path: str, **query: object) -> Iterator[Any]:
        """What happens from now on, until the daemon stops; the last may say that we were too
        slow."""
        with closing(self._connection()) as connection:
            response = self._response(connection, "GET", path, None, query)
            if connection.sock is not None:
                connection.sock.settimeout(None)
            try:
                for line in response:
                    if line.strip():
                        yield json.loads(line)
            except (http.client.HTTPException, OSError):
                return  # it has stopped

    def _ask(self, method: str, path: str, value: Any = None, query: Any = None) -> Any:
        with closing(self._connection()) as connection:
            response = self._response(connection, method, path, value, query)
            try:
                body = response.read()
            except (http.client.HTTPException, OSError) as error:
                raise Failed(f"{self._daemon} broke off its answer") from error
        return json.loads(body) if body else None

    def _connection(self) -> http.client.HTTPConnection:
        if self._loopback is not None:
            return http.client.HTTPConnection("127.0.0.1", self._loopback.port, timeout=TIMEOUT)
        return _UnixConnection(self._path)

    def _response(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        value: Any,
        query: Any,
    ) -> http.client.HTTPResponse:
        given = {name: text for name, text in (query or {}).items() if text is not None}
        target = f"{path}?{urlencode(given)}" if given else path
        headers = {} if value is None else {"content-type": "application/json"}
        if self._loopback is not None:
            headers["authorization"] = f"Bearer {self._loopback.token}"
        body = None if value is None else msgspec.json.encode(value, enc_hook=str)
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise NotRunning(
                f"{self._daemon} does not run (nobody listens at {self._path}); start it, or name"
                " its configuration with --config"
            ) from error
        except PermissionError as error:
            raise Failed(_forbidden(self._daemon, self._path)) from error
        except TimeoutError as error:
            raise Failed(f"{self._daemon} does not answer") from error
        except (http.client.HTTPException, OSError) as error:
            raise Failed(f"{self._daemon} at {self._path} cannot be asked: {error}") from error
        if response.status >= 400:
            raise Failed(_refusal(self._daemon, response))
        return response


def _refusal(daemon: str, response: http.client.HTTPResponse) -> str:
    try:
        said = json.loads(response.read())
        error, remedy = str(said["error"]), str(said["remedy"])
    except (ValueError, KeyError, TypeError, http.client.HTTPException, OSError):
        return f"{daemon} answered {response.status} {response.reason}"
    return f"{error}; {remedy}" if remedy else error


def _forbidden(daemon: str, path: Path) -> str:
    return f"{path} is not for us; be {_owner(path)}, as whom {daemon} runs"


def _owner(path: Path) -> str:
    """Whose it is, or the nearest folder that we may look at."""
    for there in (path, *path.parents):
        try:
            uid = os.stat(there).st_uid
        except OSError:
            continue
        if uid == 0 or os.name == "nt":
            break
        import pwd

        try:
            return f"root or {pwd.getpwuid(uid).pw_name}"
        except KeyError:
            return f"root or user {uid}"
    return "root"
