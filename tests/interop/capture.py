"""Packets as they were on the wire (tcpdump), read by somebody else's dissector (tshark)."""

from __future__ import annotations

import secrets
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from .lab import Host, wait_until
from .peer import peer

DISCARD = 9
"""UDP port of the frame that marks the end of a capture (RFC 863)."""

BUFFER = ("--snapshot-length", "2048", "--buffer-size", "16384")
"""Bytes of a frame, KiB of frames. In immediate mode each frame takes a whole slot of the snapshot
length, so that tcpdump's default of 2 MiB in slots of 256 KiB would hold eight frames only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field as tshark understood it."""

    name: str
    show: str
    value: bytes
    """The bytes that it was read from."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One frame's dissection, in wire order."""

    fields: tuple[Field, ...]

    def all(self, name: str) -> list[str]:
        """Every occurrence of a field, as tshark shows it."""
        return [field.show for field in self.fields if field.name == name]

    def one(self, name: str) -> str:
        """A field that occurs exactly once."""
        found = self.all(name)
        assert len(found) == 1, f"{name}: {found}"
        return found[0]

    def values(self, name: str) -> list[bytes]:
        """Every occurrence of a field, as bytes."""
        return [field.value for field in self.fields if field.name == name]

    def __contains__(self, name: str) -> bool:
        return any(field.name == name for field in self.fields)


class Capture:
    """What passes one interface of one host, from `start` to `stop`."""

    def __init__(self, host: Host, interface: str, filter: str = "udp") -> None:
        self._host = host
        self._interface = interface
        self.file = host.folder / f"{host.name}-{interface}-{secrets.token_hex(4)}.pcap"
        options = ("--immediate-mode", "-U", "-n", "-Z", "root", *BUFFER)
        expression = f"({filter}) or udp port {DISCARD}"
        self._tcpdump = host.start(
            "tcpdump", *options, "-i", interface, "-w", str(self.file), expression
        )
        self._tcpdump.wait_for("listening on")

    def stop(self) -> None:
        """End the capture when all that was sent before this call is in the file."""
        if not self._tcpdump.running():
            return
        token = secrets.token_bytes(16)
        with self._host.socket() as marker:
            marker.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            marker.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._interface.encode())
            marker.sendto(token, ("255.255.255.255", DISCARD))
        wait_until(lambda: self.holds(token))
        self._tcpdump.stop(signal.SIGINT)
        self._tcpdump.wait_for("^0 packets dropped by kernel")

    def holds(self, data: bytes) -> bool:
        """Whether a frame with these bytes has passed; the capture goes on."""
        return data in self.file.read_bytes()

    def packets(self, filter: str) -> list[Packet]:
        """The dissection of the frames that pass a display filter; ends the capture."""
        self.stop()
        pdml = _tshark(self.file, "-T", "pdml", "-Y", f"({filter}) && !(udp.port == {DISCARD})")
        return [_packet(element) for element in ElementTree.fromstring(pdml).iter("packet")]

    def count(self, filter: str) -> int:
        """How many frames pass a display filter; ends the capture."""
        self.stop()
        text = _tshark(self.file, "-Y", f"({filter}) && !(udp.port == {DISCARD})")
        return len(text.splitlines())

    def complaints(self) -> str:
        """What tshark holds to be malformed, as text; ends the capture."""
        self.stop()
        malformed = "(_ws.expert.severity == error || _ws.malformed)"
        return _tshark(self.file, "-V", "-Y", f"{malformed} && !(udp.port == {DISCARD})")


def _tshark(file: Path, *arguments: str) -> str:
    # Without -n it would look up names, and wait for answers that cannot come.
    command = [peer("tshark"), "-n", "-r", str(file), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _packet(element: ElementTree.Element) -> Packet:
    fields = (
        Field(
            name=field.get("name", ""),
            show=field.get("show", ""),
            value=_hex(field.get("value", "")),
        )
        for proto in element.findall("proto")
        if proto.get("name") not in ("geninfo", "frame")  # About the file, not of the packet.
        for field in proto.iter("field")
    )
    return Packet(tuple(fields))


def _hex(text: str) -> bytes:
    # Bit fields of a single byte are given as one hex digit.
    return bytes.fromhex(text if len(text) % 2 == 0 else f"0{text}")
