"""The pages of a console, whichever daemon's: frame, navigation, log-in, errors, files.

    Console(brand, pages, forms) ──▶ routes

A page is a list of parts (`ops.web.live.Part`), rendered on the server; what of them moves is sent
anew by `/live`. The script is a convenience: without it every page is complete, and every form
works.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from twisted.web.template import Tag, flattenString, tags

from ops.web.gate import LOGIN, LOGOUT, STATIC, ConsoleGate
from ops.web.live import Live, Part, tag_of
from ops.web.route import Answer, Page, Problem, Request, Route, find
from ops.web.session import Session

FOLDER: Final = Path(__file__).with_name("static")
TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOR_EVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """What stands above every page."""

    daemon: str
    host: str
    version: str


Title = str
Content = tuple[Title, Sequence[Part]]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A page, or several of one kind."""

    pattern: str
    content: Callable[[Request], Content | Awaitable[Content]]
    """Title and parts. Raises Problem."""
    label: str | None = None
    """In the navigation, whose pages have no names in their patterns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Something that can be done."""

    pattern: str
    act: Callable[[Request], str | Awaitable[str]]
    """What to tell when it is done. Raises Problem."""
    then: Callable[[Request], str]
    """The page to go on with."""


class Console:
    """The routes of a console, and its look."""

    def __init__(
        self, brand: Brand, views: Sequence[View], forms: Sequence[Form], live: Live
    ) -> None:
        self._brand = brand
        self._views = views
        self._live = live
        self._files = {name: (FOLDER / name).read_bytes() for name in _names()}
        self._versions = {name: sha256(data).hexdigest()[:12] for name, data in self._files.items()}
        self._pages = [Route("GET", view.pattern, self._shown(view)) for view in views]
        self._forms = [Route("POST", form.pattern, _done(form)) for form in forms]

    def routes(self, gate: ConsoleGate) -> list[Route]:
        """All of them."""
        return [
            *self._pages,
            *self._forms,
            Route("GET", "/live", lambda request: self._lively(request, gate)),
            Route("GET", STATIC + "{name}", self._file),
            Route("GET", LOGIN, gate.login_form),
            Route("POST", LOGIN, gate.log_in),
            Route("POST", LOGOUT, gate.log_out),
        ]

    # Pages.

    def _shown(self, view: View) -> Callable[[Request], Awaitable[Answer]]:
        async def show(request: Request) -> Answer:
            title, parts = await _content(view, request)
            main: list[Any] = [*_notices(_said(request)), *[await tag_of(part) for part in parts]]
            is_moving = any(part.version is not None for part in parts)
            session = request.session
            return await self._page(
                title,
                main,
                here=view.pattern,
                csrf=None if session is None else session.csrf,
                live=_target(request) if is_moving else None,
            )

        return show

    async def _lively(self, request: Request, gate: ConsoleGate) -> Answer:
        """`/live?at=/machines?…`: the parts of that page that move."""
        parts = urlsplit(request.query.get("at", "/"))
        route, names = find(self._pages, "GET", parts.path)
        view = self._views[self._pages.index(route)]
        asked = replace(request, path=names, target=parts.path, query=dict(parse_qsl(parts.query)))
        _, content = await _content(view, asked)
        return self._live.events(content, lambda: gate.is_still_in(request))

    async def _page(
        self,
        title: str,
        main: Sequence[Any],
        *,
        here: str | None = None,
        csrf: str | None = None,
        live: str | None = None,
        status: int = 200,
    ) -> Page:
        brand = self._brand
        head = tags.head(
            tags.meta(charset="utf-8"),
            tags.meta(name="viewport", content="width=device-width, initial-scale=1"),
            tags.meta(name="color-scheme", content="light dark"),
            tags.title(f"{title} · {brand.daemon} on {brand.host}"),
            tags.link(rel="icon", href=self._url("icon.svg"), type="image/svg+xml"),
            tags.link(rel="stylesheet", href=self._url("console.css")),
            tags.script(src=self._url("console.js"), defer="defer"),
        )
        body = tags.body(
            tags.a("Skip to content", href="#main", class_="skip"),
            self._header(here, csrf, has_live=live is not None),
            Tag("main", attributes=_main(live))(tags.h1(title), *main),
            tags.footer(f"{brand.daemon} {brand.version} on {brand.host}. Times are the server's."),
        )
        html = await flattenString(None, tags.html(head, body, lang="en"))
        return Page(body=b"<!doctype html>\n" + html, status=status)

    def _header(self, here: str | None, csrf: str | None, *, has_live: bool) -> Tag:
        brand = self._brand
        links = []
        for view in self._views if here is not None else ():
            if view.label is not None:
                is_here = here == view.pattern or str(here).startswith(f"{view.pattern}/")
                current = {"aria-current": "page"} if is_here else {}
                links.append(tags.li(tags.a(view.label, href=view.pattern, **current)))
        return tags.header(
            tags.a(
                tags.img(src=self._url("icon.svg"), alt="", width="22", height="22"),
                tags.span(brand.daemon, class_="daemon"),
                tags.span(brand.host, class_="host"),
                href="/",
                class_="brand",
            ),
            tags.nav(tags.ul(*links), **{"aria-label": "Pages"}) if links else "",
            tags.p(id="live", role="status", class_="live") if has_live else "",
            tags.form(
                _csrf(csrf),
                tags.button("Log out", type="submit", class_="quiet"),
                method="post",
                action=LOGOUT,
                class_="out",
            )
            if csrf is not None
            else "",
            class_="top",
        )

    def _url(self, name: str) -> str:
        return f"{STATIC}{name}?v={self._versions[name]}"

    # What the gate needs.

    async def login_page(self, request: Request, wrong: str) -> Page:
        """The page to log in with; `wrong` says what was wrong."""
        target = request.query.get("next", "/") if request.method == "GET" else _next(request)
        told = {"aria-describedby": "wrong", "aria-invalid": "true"} if wrong else {}
        form = tags.form(
            tags.input(type="hidden", name="next", value=target),
            tags.input(
                type="text",
                name="user",
                value="admin",
                autocomplete="username",
                class_="hidden",
                tabindex="-1",
                **{"aria-hidden": "true"},
            ),
            tags.label("Password", for_="password"),
            tags.input(
                type="password",
                name="password",
                id="password",
                required="required",
                autofocus="autofocus",
                autocomplete="current-password",
                **told,
            ),
            tags.p(wrong, id="wrong", role="alert", class_="wrong") if wrong else "",
            tags.button("Log in", type="submit"),
            method="post",
            action=LOGIN,
            class_="login",
        )
        return await self._page("Log in", [form], status=403 if wrong else 200)

    async def problem_page(self, request: Request, problem: Problem) -> Page:
        """What a person is told who cannot have what was asked for."""
        try:
            title = HTTPStatus(problem.status).phrase
        except ValueError:
            title = str(problem.status)
        return await self._page(
            title,
            [
                tags.p(_sentence(problem.title), class_="problem", role="alert"),
                tags.p(_sentence(problem.remedy)) if problem.remedy else "",
                tags.p(tags.a("Back to the first page", href="/")),
            ],
            status=problem.status,
        )

    # Files.

    def _file(self, request: Request) -> Answer:
        name = request.path["name"]
        data = self._files.get(name)
        if data is None:
            raise Problem(404, "there is nothing of that name")
        etag = f'"{self._versions[name]}"'
        headers = (("cache-control", FOR_EVER), ("etag", etag))
        if request.headers.get("if-none-match") == etag:
            return Page(status=304, headers=headers)
        return Page(body=data, type=TYPES[Path(name).suffix], headers=headers)


def action(
    session: Session,
    target: str,
    label: str,
    *,
    title: str = "",
    fields: Mapping[str, str] | None = None,
) -> Tag:
    """A button that has something done. `title` says it in full; `fields` is told with it."""
    more = {"aria-label": title} if title else {}
    return tags.form(
        _csrf(session.csrf),
        *(tags.input(type="hidden", name=k, value=v) for k, v in (fields or {}).items()),
        tags.button(label, type="submit", **more),
        method="post",
        action=target,
        class_="action",
    )


def _csrf(token: str | None) -> Tag:
    return tags.input(type="hidden", name="csrf", value=token or "")


async def _content(view: View, request: Request) -> Content:
    made = view.content(request)
    return made if isinstance(made, tuple) else await made


def _done(form: Form) -> Callable[[Request], Awaitable[Answer]]:
    async def done(request: Request) -> Answer:
        made = form.act(request)
        told = made if isinstance(made, str) else await made
        if request.session is not None and told:
            request.session.said.append(told)
        return Page(status=303, headers=(("location", form.then(request)),))

    return done


def _said(request: Request) -> list[str]:
    if request.session is None:
        return []
    said, request.session.said[:] = list(request.session.said), []
    return said


def _notices(said: Sequence[str]) -> list[Tag]:
    return [tags.p(text, role="status", class_="notice") for text in said]


def _main(live: str | None) -> dict[Any, Any]:
    attributes = {"id": "main", "tabindex": "-1"}
    return attributes if live is None else {**attributes, "data-live": live}


def _target(request: Request) -> str:
    path = quote(request.target)
    return f"{path}?{urlencode(request.query)}" if request.query else path


def _next(request: Request) -> str:
    return request.form().get("next", "/")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _names() -> list[str]:
    return sorted(path.name for path in FOLDER.iterdir() if path.suffix in TYPES)
