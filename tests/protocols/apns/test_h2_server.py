"""The engine against h2 in the role of a well-behaved server: what is sent is what arrives."""

from __future__ import annotations

import random

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from h2.settings import SettingCodes, Settings

from protocols.apns.answer import Answer
from protocols.apns.engine import ClientEngine
from protocols.apns.event import Answered, Event
from tests.protocols.apns.far_end import request

PUSHES = 400


class Server:
    """Answers in any order; refuses every seventh push as Apple would."""

    def __init__(self, chance: random.Random, values: dict[SettingCodes, int]) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self.h2.local_settings = Settings(client=False, initial_values=values)
        self.h2.initiate_connection()
        self.chance = chance
        self.requests: dict[int, tuple[list[tuple[bytes, bytes]], bytes]] = {}
        self.unanswered: list[int] = []

    def receive(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            if isinstance(event, RequestReceived):
                fields = [(bytes(name), bytes(value)) for name, value in event.headers]
                self.requests[event.stream_id] = fields, b""
            elif isinstance(event, DataReceived):
                fields, body = self.requests[event.stream_id]
                self.requests[event.stream_id] = fields, body + event.data
                if event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                self.unanswered.append(event.stream_id)

    def answer(self, count: int) -> None:
        self.chance.shuffle(self.unanswered)
        for _ in range(min(count, len(self.unanswered))):
            stream = self.unanswered.pop()
            apns_id = dict(self.requests[stream][0])[b"apns-id"]
            if stream % 7 == 0:
                self.h2.send_headers(stream, [(":status", "400"), ("apns-id", apns_id)])
                self.h2.send_data(stream, b'{"reason":"BadTopic"}', end_stream=True)
            else:
                fields = [(":status", "200"), ("apns-id", apns_id)]
                self.h2.send_headers(stream, fields, end_stream=True)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "values",
    [
        {SettingCodes.MAX_CONCURRENT_STREAMS: 1000},
        {SettingCodes.MAX_CONCURRENT_STREAMS: 1},
        {SettingCodes.MAX_CONCURRENT_STREAMS: 50, SettingCodes.INITIAL_WINDOW_SIZE: 90},
        {SettingCodes.MAX_CONCURRENT_STREAMS: 300, SettingCodes.HEADER_TABLE_SIZE: 0},
        {SettingCodes.MAX_CONCURRENT_STREAMS: 300, SettingCodes.HEADER_TABLE_SIZE: 150},
    ],
)
def test_all_arrives_and_is_answered(seed: int, values: dict[SettingCodes, int]) -> None:
    """Headers and bodies are those that were sent, each push has its own answer, whatever the
    settings, the order of answers and the pieces in which bytes come; then it drains."""
    chance = random.Random(seed)
    server, engine = Server(chance, values), ClientEngine(b"api.push.apple.com", 0.0)
    pushes = [
        request(key, b"%d" % key * chance.choice((1, 9, 60, 1000)), bearer=b"bearer t")
        for key in range(PUSHES)
    ]
    # h2 holds us to its settings before we can know them (RFC 9113 §6.9.3 does not).
    events: list[Event] = engine.receive(server.h2.data_to_send(), 0.0)
    sent = 0

    while sent < PUSHES or engine.under_way:
        for _ in range(min(chance.randint(1, 60), PUSHES - sent, engine.free_slots)):
            if engine.free_slots:
                engine.send(sent, pushes[sent], 0.0)
                sent += 1
        server.receive(engine.outgoing())
        server.answer(chance.randint(0, 80))
        written = server.h2.data_to_send()
        while written:
            size = chance.choice((1, 9, 1000, len(written)))
            events += engine.receive(written[:size], 0.0)
            written = written[size:]
    events += engine.drain()
    server.receive(engine.outgoing())

    answers = {event.key: event.answer for event in events if isinstance(event, Answered)}
    assert len(answers) == PUSHES
    for key, push in enumerate(pushes):
        fields, body = server.requests[2 * key + 1]
        assert fields[3:] == [
            (b":path", push.path),
            *push.shape,
            (b"authorization", b"bearer t"),
            *push.own,
        ]
        assert body == push.body
        reason = "BadTopic" if (2 * key + 1) % 7 == 0 else None
        apns_id = push.own[0][1].decode()
        status = 200 if reason is None else 400
        assert answers[key] == Answer(status=status, reason=reason, apns_id=apns_id)
    assert engine.closed == "all requests are answered"
