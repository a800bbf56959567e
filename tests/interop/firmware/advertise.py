"""A router's IPv6 advertisements on one interface, four a second, until it is killed.

iPXE configures IPv6 beside IPv4 and waits 13 seconds for a router where there is none, as in the
lab. These advertise a router that routes nothing: no prefix, no lifetime (RFC 4861 §4.2).

Started as `python advertise.py INTERFACE`.
"""

from __future__ import annotations

import socket
import struct
import sys
import time

ETH_P_IPV6 = 0x86DD
NEXT_HEADER = 58  # ICMPv6
ROUTER_ADVERTISEMENT = 134
INTERVAL = 0.25

ALL_NODES_MAC = bytes.fromhex("333300000001")
ALL_NODES = socket.inet_pton(socket.AF_INET6, "ff02::1")
ROUTER = socket.inet_pton(socket.AF_INET6, "fe80::1")


def checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def advertisement(mac: bytes) -> bytes:
    body = struct.pack("!BBHII", 64, 0, 0, 0, 0)
    pseudo = ROUTER + ALL_NODES + struct.pack("!II", 4 + len(body), NEXT_HEADER)
    head = struct.pack("!BB", ROUTER_ADVERTISEMENT, 0)
    sum = checksum(pseudo + head + bytes(2) + body)
    payload = head + struct.pack("!H", sum) + body
    header = struct.pack("!IHBB", 6 << 28, len(payload), NEXT_HEADER, 255)
    ethernet = ALL_NODES_MAC + mac + struct.pack("!H", ETH_P_IPV6)
    return ethernet + header + ROUTER + ALL_NODES + payload


def main() -> None:
    (interface,) = sys.argv[1:]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((interface, 0))
        frame = advertisement(wire.getsockname()[4])
        while True:
            wire.send(frame)
            time.sleep(INTERVAL)


if __name__ == "__main__":
    main()
