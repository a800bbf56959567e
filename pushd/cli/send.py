"""`pushctl send`: hand a push to the daemon that runs, and see what becomes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from ops.cli import config_option

if TYPE_CHECKING:
    from ops.table import Cell
    from ops.web.client import AdminClient
    from pushd.api.item import Push, Result

F = TypeVar("F", bound=Callable[..., Any])

WAIT: Final = 30
"""Seconds that `--wait` waits: Apple takes a fraction of one, a device asleep none of it."""


def _common(command: F) -> F:
    """What all kinds of pushes have."""
    for option in reversed(
        [
            click.option("--credential", metavar="NAME", help="Where several are for the topic."),
            click.option("--id", "id_", metavar="UUID", help="Its apns-id. Default: a new one."),
            click.option(
                "--expires-in",
                metavar="DURATION",
                help="How long Apple is to keep it (1h, 7d); 0: deliver now or never.",
            ),
            click.option("--dry-run", is_flag=True, help="Check the push, hand in nothing."),
            click.option(
                "--wait",
                "-w",
                is_flag=True,
                help=f"Wait for what Apple says, for up to {WAIT} seconds.",
            ),
            config_option("pushd"),
            click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
        ]
    ):
        command = option(command)
    return command


@click.group(short_help="Send a push, see what Apple says.")
def send() -> None:
    """Send a push by the pushd that runs: it is on disk when the command returns.

    TOKEN is the device's, hexadecimal, as the app or the MDM server has it; spaces and brackets are
    ignored.
    """


@send.command(short_help="Show something to people.")
@click.argument("token")
@click.argument("text", required=False)
@click.option(
    "--topic", help="The app's bundle id. Default: the only app there is a credential for."
)
@click.option("--title", help="Title of the alert.")
@click.option("--subtitle", help="Subtitle of the alert.")
@click.option("--badge", type=click.IntRange(0), help="Number at the app's icon; 0 removes it.")
@click.option("--sound", metavar="NAME", help="A sound of the app, or `default`.")
@click.option(
    "--payload",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="A file with the whole payload, JSON, instead of TEXT; - for standard input.",
)
@click.option("--priority", type=click.Choice(["10", "5", "1"]), help="Default: 10.")
@click.option("--collapse-id", metavar="ID", help="Of several with the same, the newest is shown.")
@_common
@click.pass_context
def alert(
    ctx: click.Context,
    /,
    token: str,
    text: str | None,
    title: str | None,
    subtitle: str | None,
    badge: int | None,
    sound: str | None,
    payload: Path | None,
    **common: Any,
) -> None:
    """Send an alert with TEXT to the device TOKEN.

    \b
    pushctl send alert 1f2e… "Hello" --wait
    """
    shown = {"title": title, "subtitle": subtitle, "body": text}
    content = {
        "alert": {name: value for name, value in shown.items() if value is not None},
        "badge": badge,
        "sound": sound,
    }
    aps = {name: value for name, value in content.items() if value not in (None, {})}
    if payload is None and not aps:
        raise click.UsageError("give TEXT, or --title, --badge, --sound, or --payload FILE")
    if payload is not None and aps:
        raise click.UsageError("--payload is the whole payload: give no TEXT, title, badge, sound")
    _send_to_app(ctx, "alert", token, payload or {"aps": aps}, common)


@send.command(short_help="Wake an app, show nothing.")
@click.argument("token")
@click.option(
    "--topic", help="The app's bundle id. Default: the only app there is a credential for."
)
@click.option(
    "--payload",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help='A file with the payload, JSON; - for standard input. Default: {"aps":'
    ' {"content-available": 1}}.',
)
@click.option("--collapse-id", metavar="ID", help="Of several with the same, the newest is kept.")
@_common
@click.pass_context
def background(
    ctx: click.Context,
    /,
    token: str,
    payload: Path | None,
    **common: Any,
) -> None:
    """Send a background push to the device TOKEN: its app gets a moment to look for news."""
    common["priority"] = "5"
    _send_to_app(ctx, "background", token, payload or {"aps": {"content-available": 1}}, common)


@send.command(short_help="Have a managed device ask its server.")
@click.argument("token")
@click.argument("push_magic")
@click.option("--topic", help="com.apple.mgmt.…, default: the only one there is a credential for.")
@_common
@click.pass_context
def mdm(
    ctx: click.Context, /, token: str, push_magic: str, topic: str | None, **common: Any
) -> None:
    """Wake a managed device: it asks its MDM server for commands.

    TOKEN (hexadecimal or base64) and PUSH_MAGIC are those of its last TokenUpdate message.
    """
    from pushd.api.item import Push, Wake

    ask = _Asking(ctx, common)
    wake = Wake(token=_tidy(token), push_magic=push_magic, topic=topic or ask.only_topic(mdm=True))
    ask.send(Push(mdm=wake, **ask.headers()))


def _send_to_app(
    ctx: click.Context,
    push_type: str,
    token: str,
    payload: Path | dict[str, Any],
    common: dict[str, Any],
) -> None:
    from msgspec import Raw

    from protocols.apns.message import PushType
    from pushd.api.item import Push

    topic, priority = common.pop("topic"), common.pop("priority")
    collapse_id = common.pop("collapse_id")
    ask = _Asking(ctx, common)
    if isinstance(payload, Path):
        content = _content(payload)
    else:
        content = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    ask.send(
        Push(
            device=_tidy(token).lower(),
            topic=topic or ask.only_topic(mdm=False),
            push_type=PushType(push_type),
            payload=Raw(content),
            priority=None if priority is None else int(priority),
            collapse_id=collapse_id,
            **ask.headers(),
        )
    )


def _tidy(token: str) -> str:
    """A token as people copy it: `<abcd 1234 …>`."""
    return re.sub(r"[\s<>]", "", token)


def _content(file: Path) -> bytes:
    """Raises Failed."""
    from ops.cli import Failed

    try:
        with click.open_file(str(file), "rb") as stream:
            content: bytes = stream.read().strip()
        json.loads(content.decode())
    except OSError as error:
        raise Failed(f"{file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise Failed(f"{file}: is not UTF-8 (byte {error.start})") from error
    except ValueError as error:
        raise Failed(f"{file}: is no JSON: {error}") from error
    return content


class _Asking:
    """One push on its way to the daemon."""

    def __init__(self, ctx: click.Context, common: dict[str, Any]) -> None:
        self._ctx = ctx
        self._common = common
        self._client: AdminClient | None = None

    @property
    def client(self) -> AdminClient:
        from pushd.admin.client import admin_client

        if self._client is None:
            self._client = admin_client(self._common["configuration"])
        return self._client

    def headers(self) -> dict[str, Any]:
        import time

        found: dict[str, Any] = {
            "credential": self._common["credential"] or "",
            "id": self._common["id_"] or "",
        }
        if self._common["expires_in"] is not None:
            seconds = _seconds(self._common["expires_in"])
            found["expiration"] = int(time.time()) + seconds if seconds else 0
        return found

    def only_topic(self, *, mdm: bool) -> str:
        """Raises Failed where there is not just one."""
        from ops.cli import Failed
        from protocols.apns.message import MDM_TOPIC, SUFFIXES

        told = self.client.get("/v1/credentials")["credentials"]
        topics: set[str] = {
            topic
            for credential in told
            for topic in credential.get("topics", ())
            if topic.startswith(MDM_TOPIC) is mdm and not topic.endswith(tuple(SUFFIXES.values()))
        }
        if len(topics) != 1:
            known = f"; there are {', '.join(sorted(topics))}" if topics else ""
            raise Failed(f"name the topic: --topic TOPIC{known}")
        return topics.pop()

    def send(self, push: Push) -> None:
        from ops.cli import Failed

        _check(push)
        if self._common["dry_run"]:
            self._tell_checked(push)
            return
        query = f"?wait={WAIT}" if self._common["wait"] else ""
        try:
            answer = self.client.post(f"/v1/pushes{query}", _body(push))
        except Failed as error:
            raise Failed(_refusal(error.message)) from error
        self._tell(answer)

    def _tell_checked(self, push: Push) -> None:
        import msgspec

        from ops.table import print_json

        if self._common["as_json"]:
            print_json(json.loads(msgspec.json.encode(_body(push))))
        else:
            click.echo("Nothing is wrong with it that could be known before Apple sees it.")

    def _tell(self, answer: Any) -> None:
        import msgspec

        from ops.cli import ExitCode
        from ops.table import print_facts, print_json
        from pushd.api.item import Result

        result = msgspec.convert(answer, Result)
        if self._common["as_json"]:
            print_json(answer)
        else:
            print_facts(_facts(result, waited=self._common["wait"]))
        if result.state in ("rejected", "failed", "expired"):
            self._ctx.exit(ExitCode.FAILED)


def _refusal(message: str) -> str:
    """What the daemon says of keys, in the words of options."""
    return re.sub(r"look at `(?:mdm\.)?(topic|credential)`", r"see --\1", message)


def _body(push: Push) -> dict[str, Any]:
    """What is said of it, without what is not."""
    import msgspec

    absent = (None, "", msgspec.Raw())
    return {
        key: value for key, value in msgspec.structs.asdict(push).items() if value not in absent
    }


def _facts(result: Result, *, waited: bool) -> list[tuple[str, Cell]]:
    from pushd.cli.words import outcome_words, state_shown

    state = result.state or "queued"
    facts: list[tuple[str, Cell]] = [(state, (result.id or "", state_shown(state)[1]))]
    facts += [("", line) for line in outcome_words(state, result.outcome)]
    if result.duplicate:
        facts.append(("", "that id was known already; nothing new was sent"))
    if state in ("queued", "sending"):
        if waited:
            facts.append(("", f"no answer of Apple's after {WAIT} s; pushd goes on trying"))
        facts.append(("", f"what becomes of it: pushctl pushes show {result.id}"))
    return facts


def _check(push: Push) -> None:
    """What Apple would refuse is refused here. Raises Failed."""
    import secrets
    import time

    from ops.cli import Failed
    from pushd.api.identity import ANYBODY
    from pushd.api.intake import Intake, Refusal
    from pushd.job import OrderedIds

    class AnyCredential:
        def names_for(self, topic: str) -> list[str]:
            return [push.credential or "any"]

    ids = OrderedIds(secrets.SystemRandom().getrandbits)
    made = Intake(ANYBODY, AnyCredential(), unix=time.time, ids=ids).push(push)
    if isinstance(made, Refusal):
        raise Failed(f"Apple would refuse it ({made.reason}): {made.detail}")


def _seconds(text: str) -> int:
    """Raises click's own error."""
    from ops.setting import Duration

    if text == "0":
        return 0
    try:
        if days := re.fullmatch(r"([0-9]{1,4}) ?d", text):
            return int(days[1]) * 86400
        return int(Duration.parse(text))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no duration such as 30m, 1h, 7d or 0") from None
