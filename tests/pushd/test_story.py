"""docs/push-story.md: the frames that it shows are those that are sent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hpack import Decoder, Encoder
from hyperframe.frame import (
    DataFrame,
    Frame,
    HeadersFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from protocols.apns.engine import ClientEngine
from protocols.apns.event import Answered
from protocols.apns.message import Notification, PushType
from pushd.request import Writer

PAGE = (Path(__file__).parents[2] / "docs/push-story.md").read_text()
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PUSH = Notification(
    device="ab" * 32,
    topic="com.example.app",
    push_type=PushType.ALERT,
    payload=b'{"aps":{"alert":"Hello"}}',
    apns_id="01a202c7-e8b4-7c21-a29f-6fbed82c07cd",
    expiration=1_795_343_000,
)


def shown(data: bytes, decoder: Decoder) -> list[str]:
    """Each frame as the page shows it."""
    lines = []
    if data.startswith(PREFACE):
        lines.append("PRI * HTTP/2.0")
        data = data[len(PREFACE) :]
    while data:
        frame, length = Frame.parse_frame_header(memoryview(data[:9]))
        frame.parse_body(memoryview(data[9 : 9 + length]))
        data = data[9 + length :]
        flags = " ".join(sorted(frame.flags))
        lines.append(
            f"{type(frame).__name__.removesuffix('Frame')} {frame.stream_id} {flags}".strip()
        )
        match frame:
            case HeadersFrame():
                fields = decoder.decode(frame.data)
                lines += [f"  {name}: {value}" for name, value in fields]
            case DataFrame():
                lines.append(f"  {frame.data.decode()}")
            case SettingsFrame():
                lines += [f"  {int(key)} = {value}" for key, value in frame.settings.items()]
            case WindowUpdateFrame():
                lines.append(f"  {frame.window_increment}")
    return lines


@pytest.fixture(scope="module")
def sent() -> list[str]:
    """What the engine writes for one push, from the first byte of a connection on."""
    decoder = Decoder()
    engine = ClientEngine(b"api.push.apple.com", 0.0)
    lines = shown(engine.outgoing(), decoder)
    settings = SettingsFrame(0, settings={SettingsFrame.MAX_CONCURRENT_STREAMS: 1000})
    engine.receive(settings.serialize(), 0.1)
    engine.send("push", Writer().request(PUSH, None), 0.2)
    lines += shown(engine.outgoing(), decoder)
    answer = HeadersFrame(1, flags=["END_HEADERS", "END_STREAM"])
    answer.data = Encoder().encode([(":status", "200"), ("apns-id", PUSH.apns_id)])
    events = engine.receive(answer.serialize(), 0.3)
    assert any(isinstance(event, Answered) for event in events)
    return lines


def test_frames(sent: list[str]) -> None:
    """Frame by frame, header by header, what goes out is what the page says."""
    blocks = re.findall(r"^```frames\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)

    assert "".join(blocks).splitlines() == sent
