"""docs/push-api.md: its requests are made, and answered as it says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec

from ops.config import parse
from pushd.api.access import ClientsFile
from pushd.api.http1 import Http1Session
from pushd.api.limit import Limits
from pushd.api.route import OPERATIONS
from pushd.api.settings import ApiSettings
from tests.docs.page import blocks
from tests.pushd.api.link import session_on
from tests.pushd.api.stand import Stand
from tests.pushd.api.test_http1 import responses

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "push-api.md"
EXAMPLES = [block.text for block in blocks(PAGE) if block.language == "http"]


def request_of(text: str) -> bytes:
    """The request as it goes over the wire."""
    head, _, body = text.rstrip("\n").partition("\n\n")
    lines = [*head.splitlines(), "host: localhost", f"content-length: {len(body.encode())}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body.encode()


def fits(said: str, written: str) -> bool:
    """Whether `said` is `written`, in which `…` stands for anything."""
    return bool(re.fullmatch(re.escape(written).replace("…", ".*"), said))


def normal(text: str) -> str:
    """JSON, however it is spaced; `…` may stand in the place of a value."""
    return json.dumps(json.loads(re.sub(r": …", ': "…"', text)), ensure_ascii=False)


def check(status: int, head: bytes, body: bytes, written: str) -> None:
    """That the response is the one that is written."""
    expected_head, _, expected_body = written.rstrip("\n").partition("\n\n")
    first, *fields = expected_head.splitlines()
    assert first.split(" ")[1] == str(status), body
    for field in fields:
        assert any(fits(line, field) for line in head.decode().split("\r\n")), (field, head)
    pairs = zip(body.decode().splitlines(), expected_body.splitlines(), strict=True)
    for said, expected in pairs:
        pattern = normal(expected)
        assert fits(normal(said), pattern) or fits(normal(said), pattern.replace('"…"', "…"))


def test_every_example(stand: Stand) -> None:
    """In order, on one connection."""
    session, link = session_on(stand, Http1Session)
    assert len(EXAMPLES) >= 14

    for request, response in zip(EXAMPLES[::2], EXAMPLES[1::2], strict=True):
        session.received(request_of(request))
        stand.rig.settle_down()
        ((status, head, body),) = responses(link.taken())
        check(status, head, body, response)


def test_the_clients_file() -> None:
    """It loads, and has one of each kind."""
    (text,) = [b.text for b in blocks(PAGE) if b.file == "clients.toml"]

    clients = parse(text.encode(), ClientsFile).clients

    assert [client.token is not None for client in clients] == [True, False, False]
    assert clients[2].provider_key is not None


def test_every_operation_and_setting_is_real() -> None:
    """What the page names exists, and what exists is named."""
    text = PAGE.read_text()
    settings = {field.encode_name for field in msgspec.structs.fields(ApiSettings)}

    named = set(re.findall(r"`\[api\] (\w+)", text))
    assert named <= settings
    for operation in OPERATIONS:
        path = operation.path.replace("/{id}", "")
        assert path in text or operation.name == "health"
    assert f"{ApiSettings().max_batch:,}" in text
    assert Limits().max_array == 8 << 20
