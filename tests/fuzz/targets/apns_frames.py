"""Whatever a server sends, the engine raises nothing, keeps little, writes HTTP/2, and gives each
push back once.

The input is a byte for how many pushes are sent first, behind SETTINGS if it is odd; then pieces: a
byte for the length, one for the time since the last piece (in 1/16 s), and the bytes.
"""

from __future__ import annotations

from construct import GreedyRange

from protocols.apns.engine import ClientEngine
from protocols.apns.event import Limits, Request
from protocols.apns.formats import FRAME, PREFACE

HELLO = bytes.fromhex("000006 04 00 00000000 0003 000003e8")
SHAPE = ((b"apns-push-type", b"alert"), (b"apns-topic", b"com.example.App"))
MAX_STEPS = 200
MAX_KEPT = 64 * 1024
FRAMES = GreedyRange(FRAME)


def target(data: bytes) -> None:
    if not data:
        return
    engine = ClientEngine(b"api.push.apple.com", 0.0, Limits(streams=20))
    events = engine.receive(HELLO, 0.0) if data[0] & 1 else []
    sent = send(engine, 0, data[0] >> 1)
    now, at, written = 0.0, 1, engine.outgoing()
    assert written.startswith(PREFACE)
    check(written[len(PREFACE) :])
    for _ in range(MAX_STEPS):
        if at + 2 > len(data):
            break
        size, wait = data[at], data[at + 1]
        piece = data[at + 2 : at + 2 + size]
        at += 2 + size
        now += wait / 16
        events += engine.tick(now)
        events += engine.receive(piece, now)
        assert engine.under_way <= 20
        assert kept(engine) <= MAX_KEPT
        timer = engine.next_timer()
        assert (timer is None) == (engine.closed is not None)
        check(engine.outgoing())
        sent = send(engine, sent, 1)
    events += engine.lost("the end")
    keys = [event.key for event in events if hasattr(event, "key")]
    assert sorted(keys) == list(range(sent))


def send(engine: ClientEngine, sent: int, count: int) -> int:
    """As many pushes as may be, `count` at most; how many there are then."""
    for _ in range(min(count, engine.free_slots)):
        if engine.free_slots:
            own = ((b"apns-id", b"%036d" % sent),)
            engine.send(sent, Request(b"/3/device/%064x" % sent, SHAPE, own, b"{}" * 200), 0.0)
            sent += 1
    return sent


def check(written: bytes) -> None:
    """What the engine writes is whole frames, none above the size that all take."""
    frames = FRAMES.parse(written)
    assert sum(9 + one.length for one in frames) == len(written)
    assert all(one.length <= 16384 for one in frames)


def kept(engine: ClientEngine) -> int:
    """Bytes of the peer that the engine holds."""
    begun = sum(len(body) for _, body in engine._responses.begun.values())
    return begun + len(engine._reader._rest) + len(engine._reader._block[2])
