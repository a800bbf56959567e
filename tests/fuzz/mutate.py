"""A seeded mutation engine: the same corpus, seed and count give the same inputs everywhere.

It knows nothing of coverage. It does what finds most bugs in codecs of length-prefixed fields: it
cuts, repeats and splices, and it puts the numbers that lengths and counters go wrong at.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from random import Random

MAX_INPUT = 4096
"""Longest input made, in bytes: more than any datagram that the daemon reads, less than what makes
a run slow."""

BYTES = (0x00, 0x01, 0x02, 0x03, 0x04, 0x06, 0x07, 0x7F, 0x80, 0xFE, 0xFF)
WORDS = (0x0000, 0x0001, 0x00FF, 0x0100, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
LONGS = (0x00000000, 0x00000001, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)

Mutation = Callable[[Random, bytearray, Sequence[bytes]], None]


def flip_bit(random: Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def set_byte(random: Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    data[random.randrange(len(data))] = random.choice(BYTES)


def random_byte(random: Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    data[random.randrange(len(data))] = random.randrange(256)


def nudge_byte(random: Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    at = random.randrange(len(data))
    data[at] = (data[at] + random.choice((-2, -1, 1, 2))) % 256


def set_word(random: Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    at = random.randrange(len(data))
    data[at : at + 2] = struct.pack(random.choice("><") + "H", random.choice(WORDS))


def set_long(random: Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    at = random.randrange(len(data))
    data[at : at + 4] = struct.pack(random.choice("><") + "I", random.choice(LONGS))


def truncate(random: Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    del data[random.randrange(len(data)) :]


def delete(random: Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    at = random.randrange(len(data))
    del data[at : at + random.choice((1, 1, 2, 4, 16))]


def insert(random: Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    at = random.randrange(len(data) + 1)
    data[at:at] = random.randbytes(random.choice((1, 1, 2, 4, 16)))


def repeat(random: Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    at = random.randrange(len(data))
    piece = data[at : at + random.choice((1, 2, 4, 16, 64))]
    data[at:at] = piece * random.choice((1, 1, 2, 8, 40))


def splice(random: Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    other = random.choice(corpus)
    data[random.randrange(len(data)) :] = other[random.randrange(len(other) + 1) :]


MUTATIONS: tuple[Mutation, ...] = (
    flip_bit,
    set_byte,
    random_byte,
    nudge_byte,
    set_word,
    set_long,
    truncate,
    delete,
    insert,
    repeat,
    splice,
)


def mutants(corpus: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """Inputs without end, each one to six mutations away from a corpus entry.

    An empty corpus is taken as one empty input.
    """
    random = Random(seed)
    corpus = tuple(corpus) or (b"",)
    while True:
        data = bytearray(random.choice(corpus))
        for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4, 6))):
            if not data:
                data += random.randbytes(random.choice((1, 2, 4, 16, 300)))
            random.choice(MUTATIONS)(random, data, corpus)
        yield bytes(data[:MAX_INPUT])
