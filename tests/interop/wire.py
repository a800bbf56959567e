"""A bad cable: frames between two interfaces, of which some are lost, repeated or overtaken.

Run in a host of its own that has one interface towards each side: it is the cable between them.
Every decision comes from one seeded generator, so that a run meets the same dice again; which frame
meets which die is the kernel's to say. `tc netem` does the same where the kernel has it.

Started as `python wire.py INTERFACE INTERFACE --loss P --duplicate P --reorder P --seed N`.
"""

from __future__ import annotations

import argparse
import random
import select
import socket
import time
from dataclasses import dataclass, field

ETH_P_ALL = 0x0003
PACKET_OUTGOING = 4  # linux/if_packet.h
MAX_FRAME = 65536
HOLD = 0.005
"""Seconds after which a held frame goes out although nothing came to overtake it."""


@dataclass(slots=True)
class Side:
    """One end of the cable, and the frame that waits there to be overtaken."""

    socket: socket.socket
    held: list[bytes] = field(default_factory=list)
    due: float = 0.0

    def send(self, frame: bytes) -> None:
        self.socket.send(frame)
        self.release()

    def hold(self, frame: bytes) -> None:
        self.held.append(frame)
        self.due = time.monotonic() + HOLD

    def release(self) -> None:
        for frame in self.held:
            self.socket.send(frame)
        self.held.clear()


def open_side(interface: str) -> Side:
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    end.bind((interface, ETH_P_ALL))
    return Side(end)


def carry(dice: random.Random, options: argparse.Namespace, frame: bytes, to: Side) -> None:
    if dice.random() < options.loss:
        return
    if dice.random() < options.reorder and not to.held:
        to.hold(frame)
        return
    to.send(frame)
    if dice.random() < options.duplicate:
        to.send(frame)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("interfaces", nargs=2)
    for name in ("loss", "duplicate", "reorder"):
        parser.add_argument(f"--{name}", type=float, default=0.0)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    left, right = (open_side(interface) for interface in options.interfaces)
    far = {left.socket: right, right.socket: left}
    print("carrying", flush=True)
    while True:
        waiting = any(side.held for side in far.values())
        readable, _, _ = select.select(list(far), [], [], HOLD if waiting else None)
        for end in readable:
            frame, address = end.recvfrom(MAX_FRAME)
            if address[2] != PACKET_OUTGOING:
                carry(dice, options, frame, far[end])
        for side in far.values():
            if side.held and time.monotonic() >= side.due:
                side.release()


if __name__ == "__main__":
    main()
