"""Who gets into the console."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from ops.config import Invalid
from ops.web import password
from ops.web.gate import ConsoleGate
from ops.web.password import PasswordError, PasswordFile, hashed_thd, is_right_thd
from ops.web.route import Answer, Page, Problem, Request
from ops.web.session import IDLE, WINDOW
from ops.web.settings import ConsoleSettings

SECRET = "correct horse battery"


class Gate:
    """A gate with a clock, its password file, and what a browser would do."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        monkeypatch.setattr(password, "LOG_N", 4)  # quick, and as good for this
        monkeypatch.setattr(password, "P", 1)
        self.clock = Clock()
        self.file = folder / "password"
        self.file.write_text(hashed_thd(SECRET) + "\n")
        self.gate = ConsoleGate(
            ConsoleSettings(password_file=self.file, **settings),
            seconds=self.clock.seconds,
            in_thread=lambda work: succeed(work()),
            explain=self._explain,
            login_page=self._login_page,
        )

    async def _explain(self, request: Request, problem: Problem) -> Answer:
        raise AssertionError(problem)

    async def _login_page(self, request: Request, wrong: str) -> Answer:
        return Page(status=403 if wrong else 200)

    def ask(self, target: str, body: str = "", **headers: str) -> Answer | Request:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.gate.admit(
            Request(
                method="POST" if body else "GET",
                target=target,
                body=body.encode(),
                headers={"host": "127.0.0.1:8067", **fields},
                peer="10.0.0.7",
            )
        )

    def log_in(self, given: str = SECRET, **headers: str) -> Page:
        form = f"password={given.replace(' ', '+')}"
        request = self.ask("/login", form, **headers)
        assert isinstance(request, Request)
        return done(Deferred.fromCoroutine(self.gate.log_in(request)))

    def cookie(self, **headers: str) -> str:
        return dict(self.log_in(**headers).headers)["set-cookie"].partition(";")[0]


def done(deferred: Deferred[Any]) -> Any:
    results: list[Any] = []
    deferred.addBoth(results.append)
    (result,) = results
    if hasattr(result, "raiseException"):
        result.raiseException()
    return result


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(tmp_path, monkeypatch)


def test_who_has_logged_in_is_known(gate: Gate) -> None:
    """The cookie opens every page, and nothing else does."""
    cookie = gate.cookie()

    known, unknown = gate.ask("/images", cookie=cookie), gate.ask("/images")

    assert isinstance(known, Request)
    assert known.session is not None
    assert known.who == "console 10.0.0.7"
    assert isinstance(unknown, Page)
    assert dict(unknown.headers)["location"] == "/login?next=/images"


def test_the_cookie_is_for_the_server_only(gate: Gate) -> None:
    """No script and no other site gets it; by TLS it never leaves without."""
    plain = dict(gate.log_in().headers)["set-cookie"]
    secure = dict(gate.log_in(x_forwarded_proto="https").headers)["set-cookie"]

    assert plain.endswith("; Path=/; HttpOnly; SameSite=Strict")
    assert plain.startswith("console-8067=")
    assert secure.startswith("__Host-console-8067=")
    assert secure.endswith("; SameSite=Strict; Secure")


def test_a_session_ends(gate: Gate) -> None:
    """After eight hours without a request, and at once when the password changes."""
    first, second = gate.cookie(), gate.cookie()

    gate.clock.advance(IDLE + 1)
    late = gate.ask("/", cookie=first)
    gate.clock.advance(0)
    third = gate.cookie()
    gate.file.write_text(hashed_thd("another password") + " \n")
    changed = gate.ask("/", cookie=third)

    assert isinstance(late, Page)
    assert isinstance(changed, Page)
    assert isinstance(gate.ask("/", cookie=second), Page)


def test_what_moves_ends_with_its_session(gate: Gate) -> None:
    """A page that is open does not make its session last, and is told nothing after it."""
    cookie = gate.cookie()
    request = gate.ask("/live", cookie=cookie)
    assert isinstance(request, Request)

    before = gate.gate.is_still_in(request)
    gate.clock.advance(IDLE - 1)
    still = gate.gate.is_still_in(request)
    gate.clock.advance(2)

    assert (before, still, gate.gate.is_still_in(request)) == (True, True, False)


def test_attempts_are_few(gate: Gate) -> None:
    """Five wrong ones a minute; then nobody at that address gets in until it is over."""
    for _ in range(5):
        assert gate.log_in("guess").status == 403

    with pytest.raises(Problem) as refused:
        gate.log_in()
    gate.clock.advance(WINDOW + 1)

    assert refused.value.status == 429
    assert gate.log_in().status == 303


def test_right_ones_are_not_counted(gate: Gate) -> None:
    """Whoever knows the password may log in as often as he likes."""
    assert [gate.log_in().status for _ in range(12)] == [303] * 12


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1:8067", True),
        ("[::1]:8067", True),
        ("192.168.1.10", True),
        ("localhost:8067", True),
        ("netboot.example.org", True),
        ("NETBOOT.example.org:443", True),
        ("evil.test", False),
        ("netboot.example.org.evil.test", False),
        ("", False),
        ("[", False),
    ],
)
def test_names(host: str, is_ours: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses, localhost and the configured names are ours; a name of somebody's DNS is not."""
    gate = Gate(tmp_path, monkeypatch, hosts=("netboot.example.org",))

    if is_ours:
        assert isinstance(gate.ask("/login", host=host), Request)
    else:
        with pytest.raises(Problem, match=r"console\.hosts"):
            gate.ask("/login", host=host)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.test"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_forms_of_other_sites(gate: Gate, headers: dict[str, str]) -> None:
    """They are refused, that to log in included, whatever cookie comes with them."""
    cookie = gate.cookie()

    for target in ("/login", "/logout", "/images/a/b/disable"):
        with pytest.raises(Problem, match="another site"):
            gate.ask(target, "csrf=x", cookie=cookie, **headers)


def test_a_form_needs_its_token(gate: Gate) -> None:
    """The session's own, and no other session's."""
    cookie, other = gate.cookie(), gate.cookie()
    mine, theirs = gate.ask("/", cookie=cookie), gate.ask("/", cookie=other)
    assert isinstance(mine, Request)
    assert isinstance(theirs, Request)
    assert mine.session is not None
    assert theirs.session is not None

    admitted = gate.ask("/logout", f"csrf={mine.session.csrf}", cookie=cookie)

    assert isinstance(admitted, Request)
    for token in ("", "x", theirs.session.csrf):
        with pytest.raises(Problem, match="too old"):
            gate.ask("/logout", f"csrf={token}", cookie=cookie)


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("/images", "/images"),
        ("/machines/a8:20:66:01:02:03", "/machines/a8:20:66:01:02:03"),
        ("//evil.test/", "/"),
        ("/\\evil.test", "/"),
        ("https://evil.test/", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nset-cookie: x", "/"),
        ("", "/"),
    ],
)
def test_where_a_login_leads(gate: Gate, asked: str, given: str) -> None:
    """To a page of ours, whatever a link has said."""
    from urllib.parse import urlencode

    body = urlencode({"password": SECRET, "next": asked})
    request = gate.ask("/login", body)
    assert isinstance(request, Request)

    page = done(Deferred.fromCoroutine(gate.gate.log_in(request)))

    assert dict(page.headers)["location"] == given


def test_a_password_file_that_is_none(gate: Gate) -> None:
    """Nobody gets in by a file that is empty or gone, and the page says so."""
    for break_it in (lambda: gate.file.write_text(""), gate.file.unlink):
        break_it()
        with pytest.raises(Problem) as refused:
            gate.ask("/")
        assert refused.value.status == 503


def test_hash() -> None:
    """The line is scrypt's of RFC 7914 §12, so that other programs can make it; a wrong password,
    another salt or a spoilt line is not it."""
    # RFC 7914 §12: scrypt("pleaseletmein", "SodiumChloride", 16384, 8, 1, 64)
    expected = bytes.fromhex(
        "7023bdcb3afd7348461c06cd81fd38eb fda8fbba904f8e3ea9b543f6545da1f2"
        "d5432955613f0fcf62d49705242a9af9 e61e85dc0d651e40dfcf017b45575887"
    )
    line = f"$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU${password._text(expected)}"

    assert is_right_thd("pleaseletmein", line)
    assert not is_right_thd("pleaseletmeout", line)
    with pytest.raises(PasswordError):
        is_right_thd("pleaseletmein", line.replace("ln=14", "ln=99"))
    with pytest.raises(PasswordError):
        is_right_thd("pleaseletmein", "plain")


def test_a_password_file_that_is_missing(tmp_path: Path) -> None:
    """The error names the file and the command that makes it."""
    with pytest.raises(PasswordError, match=r"nowhere cannot be read.*console password"):
        PasswordFile(tmp_path / "nowhere").line()


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"addresses": ("0.0.0.0",)}, "password_file"),
        ({"addresses": ("127.0.0.1", "10.0.0.1"), "password_file": Path("p")}, "certificate"),
        ({"certificate": Path("c")}, "key"),
        ({"addresses": ("here",)}, "addresses[0]"),
    ],
)
def test_settings_that_would_let_strangers_in(settings: dict[str, Any], key: str) -> None:
    """Beyond this computer there is no console without password and TLS."""
    with pytest.raises(Invalid) as refused:
        ConsoleSettings(enabled=True, **settings)

    assert refused.value.key == key
