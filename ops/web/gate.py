"""Who may see the console, and who may have something done.

    Host is one of ours? ─▶ style sheet, script
                       └──▶ logged in? ─▶ page
                                    └───▶ form: is it from our own page, with its token?

Without a password file the console is on loopback only (`ConsoleSettings` sees to that), and every
form is refused.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import quote, urlsplit

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.logger import Logger

from ops.web.password import MAX_LENGTH, PasswordError, PasswordFile, is_right_thd
from ops.web.route import Answer, Headers, Page, Problem, Request
from ops.web.session import Attempts, Sessions
from ops.web.settings import ConsoleSettings

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final[Headers] = (
    ("content-security-policy", POLICY),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
)
STATIC: Final = "/static/"
LOGIN: Final = "/login"
LOGOUT: Final = "/logout"
MAX_CHECKS: Final = 4
"""Passwords that are checked or wait for it; each takes 32 MiB and a quarter of a second, one at a
time."""

Explain = Callable[[Request, Problem], Awaitable[Answer]]


class ConsoleGate:
    """Implements `ops.web.http.Gate`."""

    def __init__(
        self,
        settings: ConsoleSettings,
        *,
        seconds: Callable[[], float],
        in_thread: Callable[[Callable[[], bool]], Deferred[bool]],
        explain: Explain,
        login_page: Callable[[Request, str], Awaitable[Answer]],
    ) -> None:
        """`seconds` is a clock that only goes forward. `login_page` is given what is wrong."""
        self._settings = settings
        self._in_thread = in_thread
        self._explain = explain
        self._login_page = login_page
        path = settings.password_file
        self._password = None if path is None else PasswordFile(path)
        self._sessions = Sessions(seconds)
        self._attempts = Attempts(seconds)
        self._one_at_a_time = DeferredSemaphore(1)
        self._checks = 0
        self._hosts = frozenset({"localhost", *(name.lower() for name in settings.hosts)})

    # ops.web.http.Gate

    def headers(self, request: Request) -> Headers:
        return HEADERS

    def explain(self, request: Request, problem: Problem) -> Awaitable[Answer]:
        return self._explain(request, problem)

    def admit(self, request: Request) -> Answer | Request:
        """Raises Problem."""
        self._require_host(request)
        if request.target.startswith(STATIC):
            return request
        found = replace(request, session=self._session(request), who=f"console {request.peer}")
        if request.method not in ("GET", "HEAD"):
            self._require_own_form(found)
            return found
        if self._password is None or found.session is not None or request.target == LOGIN:
            return found
        if request.target == "/live":
            raise Problem(401, "you are not logged in")
        here = "" if request.target == "/" else f"?next={quote(request.target)}"
        return _redirect(f"{LOGIN}{here}")

    def is_still_in(self, request: Request) -> bool:
        """Whether who asked would be let in again: the session may have ended meanwhile."""
        if self._password is None:
            return True
        try:
            line = self._password.line()
        except PasswordError:
            return False
        token = request.cookie(_cookie_name(request))
        return self._sessions.find(token, line, is_request=False) is not None

    def _require_host(self, request: Request) -> None:
        """A name that a stranger's DNS leads here with is no name of ours (DNS rebinding)."""
        host = _host_of(f"//{request.headers.get('host', '')}")
        if host in self._hosts:
            return
        try:
            ip_address(host)  # no DNS in it
        except ValueError:
            raise Problem(
                403,
                "this is not a name of this console",
                "add it to console.hosts, or use the computer's address",
            ) from None

    def _session(self, request: Request) -> Any:
        if self._password is None:
            return None
        try:
            line = self._password.line()
        except PasswordError as error:
            _log.error("console: {error}", error=str(error))
            raise Problem(503, "nobody can log in", str(error)) from error
        return self._sessions.find(request.cookie(_cookie_name(request)), line)

    def _require_own_form(self, request: Request) -> None:
        if self._password is None:
            raise Problem(
                403, "this console is for looking only", "set console.password_file to change that"
            )
        origin = request.headers.get("origin")
        site = request.headers.get("sec-fetch-site", "same-origin")
        host = request.headers.get("host", "").lower()
        is_own = origin is None or urlsplit(origin).netloc.lower() == host
        if not is_own or site not in ("same-origin", "none"):
            raise Problem(403, "this form is from another site", "use the console's own pages")
        if request.target == LOGIN:
            return
        if request.session is None:
            raise Problem(403, "you are not logged in", "log in, then do it again")
        if not request.session.is_own(request.form().get("csrf", "")):
            raise Problem(403, "this form is too old", "go back, load the page anew, try again")

    # Pages of its own.

    async def login_form(self, request: Request) -> Answer:
        """GET /login"""
        if self._password is None or request.session is not None:
            return _redirect("/")
        return await self._login_page(request, "")

    async def log_in(self, request: Request) -> Answer:
        """POST /login. Raises Problem."""
        assert self._password is not None  # noqa: S101 - otherwise no form is admitted
        form = request.form()
        given = form.get("password", "")[:MAX_LENGTH]
        wait = self._attempts.wait(request.peer)
        if wait or self._checks >= MAX_CHECKS:
            seconds = max(1, math.ceil(wait))
            raise Problem(429, "too many attempts", f"try again in {seconds} seconds")
        self._attempts.begin(request.peer)
        line = self._password.line()
        if not await self._is_right(given, line):
            _log.warn("console: login of {peer} failed", peer=request.peer)
            return await self._login_page(request, "That is not the password.")
        self._attempts.succeeded(request.peer)
        _log.info("console: {peer} has logged in", peer=request.peer)
        self._sessions.close(request.cookie(_cookie_name(request)))
        cookie = _cookie(request, self._sessions.open(line))
        return _redirect(_local(form.get("next", "/")), ("set-cookie", cookie))

    async def _is_right(self, given: str, line: str) -> bool:
        self._checks += 1
        try:
            return await self._one_at_a_time.run(self._in_thread, lambda: is_right_thd(given, line))
        except PasswordError as error:
            raise Problem(503, "nobody can log in", f"the password file {error}") from error
        finally:
            self._checks -= 1

    def log_out(self, request: Request) -> Answer:
        """POST /logout"""
        self._sessions.close(request.cookie(_cookie_name(request)))
        return _redirect(LOGIN, ("set-cookie", f"{_cookie(request, '')}; Max-Age=0"))


def _redirect(target: str, *headers: tuple[str, str]) -> Page:
    return Page(status=303, headers=(("location", target), *headers))


def _local(target: str) -> str:
    """A place of ours, whatever a link to the login page said."""
    parts = urlsplit(target)
    is_ours = target.startswith("/") and not target.startswith(("//", "/\\"))
    if parts.scheme or parts.netloc or not is_ours or not target.isprintable():
        return "/"
    return quote(target, safe="/?=&%:.,-_~")


def _host_of(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _is_https(request: Request) -> bool:
    """Whether the browser came by TLS; where a proxy lies about it, its own users cannot log in."""
    return request.is_secure or request.headers.get("x-forwarded-proto") == "https"


def _cookie_name(request: Request) -> str:
    # Cookies know no ports: two daemons on one computer must not log each other out.
    port = urlsplit(f"//{request.headers.get('host', '')}").port or 0
    return f"__Host-console-{port}" if _is_https(request) else f"console-{port}"


def _cookie(request: Request, token: str) -> str:
    secure = "; Secure" if _is_https(request) else ""
    return f"{_cookie_name(request)}={token}; Path=/; HttpOnly; SameSite=Strict{secure}"


_log = Logger("console")
