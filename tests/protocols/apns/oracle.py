"""`ClientEngine` on h2, the reference: the same interface, without timers, forty times as slow.

What h2 does not do is done here, and is no more than that: one stream until SETTINGS, bodies that
wait for windows, answers made of events, our bounds, answers after a GOAWAY (h2 takes nothing
more), the first frame, which h2 does not look at, and overlong ones, for whose end it waits.
"""

from __future__ import annotations

from collections.abc import Hashable

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.events import Event as H2Event
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from protocols.apns.answer import MAX_BODY, Answer, Explanation, explanation_of
from protocols.apns.event import (
    Answered,
    Closed,
    Event,
    GoingAway,
    Limits,
    Request,
    SlotsChanged,
    Uncertain,
    Unprocessed,
)
from protocols.errors import DecodeError, StateError

WHY = "h2 does not say why"


class _Stream:
    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""


class Oracle:
    def __init__(self, authority: bytes, now: float, limits: Limits | None = None) -> None:
        self._authority = authority
        self._limits = limits or Limits()
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        announced = {
            SettingCodes.HEADER_TABLE_SIZE: 0,
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.MAX_HEADER_LIST_SIZE: 16384,
        }
        self._h2.local_settings = Settings(client=True, initial_values=announced)
        self._h2.initiate_connection()
        self._streams: dict[int, _Stream] = {}
        self._rests: dict[int, bytes] = {}
        self._allowed: int | None = None
        self._input = b""
        self._heard = False
        self.is_draining = False
        self.closed: str | None = None
        self.broken_at: int | None = None
        """The stream of the frame at which h2 gave up, 0 for none."""

    @property
    def under_way(self) -> int:
        return len(self._streams)

    @property
    def free_slots(self) -> int:
        if self.is_draining or self.closed is not None or self._rests:
            return 0
        allowed = 1 if self._allowed is None else min(self._allowed, self._limits.streams)
        return max(0, allowed - len(self._streams))

    def outgoing(self) -> bytes:
        return bytes(self._h2.data_to_send())

    def send(self, key: Hashable, request: Request, now: float) -> None:
        if self.free_slots <= 0:
            raise StateError("there is no free slot")
        number = self._h2.get_next_available_stream_id()
        first = [(b":method", b"POST"), (b":scheme", b"https")]
        first += [(b":authority", self._authority), (b":path", request.path), *request.shape]
        if request.authorization is not None:
            first.append((b"authorization", request.authorization))
        self._h2.send_headers(number, [*first, *request.own])
        self._streams[number] = _Stream(key)
        self._rests[number] = request.body
        self._send_rests()

    def drain(self) -> list[Event]:
        self.is_draining = True
        return self._ended([])

    def lost(self, why: str) -> list[Event]:
        return self._end(why)

    def receive(self, data: bytes, now: float) -> list[Event]:
        if self.closed is not None:
            return []
        events: list[Event] = []
        self._input += data
        while self.closed is None and len(self._input) >= 9:
            size = 9 + int.from_bytes(self._input[:3], "big")
            if size > 9 + 16384:  # h2 waits for all of it
                events += self._end(WHY)
                break
            if len(self._input) < size:
                break
            framed, self._input = self._input[:size], self._input[size:]
            number = int.from_bytes(framed[5:9], "big") & 0x7FFFFFFF
            if not self._heard and framed[3:5] != b"\x04\x00":
                events += self._end(WHY)
                break
            self._heard = True
            try:
                for event in self._h2.receive_data(framed):
                    events += self._heard_of(event)
                self._send_rests()
            except ProtocolError:
                self.broken_at = number
                events += self._end(WHY)
        return self._ended(events)

    def _heard_of(self, event: H2Event) -> list[Event]:
        if isinstance(event, RemoteSettingsChanged):
            before = self._allowed
            changed = event.changed_settings.get(SettingCodes.MAX_CONCURRENT_STREAMS)
            if changed is not None:
                self._allowed = changed.new_value
            elif before is None:
                self._allowed = 2**31 - 1
            return [] if before == self._allowed else [SlotsChanged(self._allowed)]
        if isinstance(event, ConnectionTerminated):
            return self._going_away(event)
        stream = self._streams.get(getattr(event, "stream_id", 0) or 0)
        if isinstance(event, DataReceived) and event.flow_controlled_length:
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if stream is None:
            return []
        if isinstance(event, ResponseReceived):
            stream.headers = [(bytes(name), bytes(value)) for name, value in event.headers]
        elif isinstance(event, DataReceived):
            stream.body += event.data
            if len(stream.body) > MAX_BODY:
                return self._refuse(event.stream_id)
        elif isinstance(event, StreamEnded):
            return self._answered(event.stream_id)
        elif isinstance(event, StreamReset):
            refused = event.remote_reset and event.error_code == ErrorCodes.REFUSED_STREAM
            key = self._forget(event.stream_id)
            return [Unprocessed(key) if refused else Uncertain(key, WHY)]
        return []

    def _going_away(self, event: ConnectionTerminated) -> list[Event]:
        self.is_draining = True
        self._h2.state_machine.state = ConnectionState.CLIENT_OPEN
        debug = event.additional_data or b""
        try:
            explanation = explanation_of(debug)
        except DecodeError:
            explanation = Explanation()
        shown = debug[:200].decode("ascii", "backslashreplace")
        events: list[Event] = [GoingAway(int(event.error_code), explanation, shown)]
        for number in [one for one in self._streams if one > event.last_stream_id]:
            events.append(Unprocessed(self._forget(number)))
        return events

    def _answered(self, number: int) -> list[Event]:
        stream = self._streams[number]
        said = {name: value.decode("latin-1") for name, value in stream.headers}
        if not (len(said[b":status"]) == 3 and "200" <= said[b":status"] <= "599"):
            return self._refuse(number)
        status = int(said[b":status"])
        explanation = Explanation()
        if status != 200:
            try:
                explanation = explanation_of(stream.body)
            except DecodeError:
                pass
        answer = Answer(
            status=status,
            reason=explanation.reason,
            timestamp=explanation.timestamp,
            apns_id=said.get(b"apns-id"),
            unique_id=said.get(b"apns-unique-id"),
        )
        if number in self._rests:
            self._h2.reset_stream(number, ErrorCodes.NO_ERROR)
        return [Answered(self._forget(number), answer)]

    def _refuse(self, number: int) -> list[Event]:
        self._h2.reset_stream(number, ErrorCodes.PROTOCOL_ERROR)
        return [Uncertain(self._forget(number), WHY)]

    def _send_rests(self) -> None:
        for number, rest in list(self._rests.items()):
            while True:
                size = min(len(rest), self._h2.local_flow_control_window(number), 16384)
                if rest and size <= 0:
                    break
                part, rest = rest[:size], rest[size:]
                self._h2.send_data(number, part, end_stream=not rest)
                if not rest:
                    del self._rests[number]
                    break
            if rest:
                self._rests[number] = rest

    def _forget(self, number: int) -> Hashable:
        self._rests.pop(number, None)
        return self._streams.pop(number).key

    def _ended(self, events: list[Event]) -> list[Event]:
        if self.is_draining and not self._streams and self.closed is None:
            self._h2.close_connection()
            events += self._end(WHY)
        return events

    def _end(self, why: str) -> list[Event]:
        if self.closed is not None:
            return []
        self.closed = why
        events: list[Event] = [Uncertain(stream.key, why) for stream in self._streams.values()]
        self._streams.clear()
        self._rests.clear()
        return [*events, Closed(why)]
