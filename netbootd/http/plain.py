"""HTTP on plain TCP: the kernel copies from the page cache to the socket.

    readable ──▶ conversation ──▶ send(head, MSG_MORE) ── sendfile(span) ──▶ ... ──▶ readable
                                              └─ socket full ──▶ writable ─┘

A response that the socket takes at once, as it does most ranges, costs three system calls and no
change to the poll set. Otherwise the connection is watched for room, and not for input, until the
response has gone.

`MSG_MORE` lets head and first bytes share a segment. Nothing is ever held back for long by it: the
last call for a response never has it, and TCP_NODELAY does away with waiting for acknowledgements
(with Nagle's algorithm, a 64 KiB range stalls for 40 ms on the client's delayed ACK).
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable

from netbootd.http.response import Response
from netbootd.http.session import Session, TimedConnection
from netbootd.http.site import Site
from netbootd.poll import PollGroup
from netbootd.transfer import Outcome

READ_SIZE = 16384
"""Bytes read at once: a head of any size that we accept, or some dozen pipelined requests."""
TURN_BYTES = 2 << 20
"""Bytes sent to one client before others get their turn, about a third of a millisecond's worth.
(nginx, sendfile_max_chunk, does the same.)"""
TURN_RESPONSES = 16
"""Pipelined requests answered in one turn: about as long as that."""
TURN_ACCEPTS = 64
"""Connections accepted in one turn."""
COPY_SIZE = 256 << 10
"""Bytes read and sent at once where the kernel cannot copy by itself."""

Sendfile = Callable[[int, int, int, int], int]
"""`sendfile(socket, file, offset, count)`, the count sent."""
SENDFILE: Sendfile | None = getattr(os, "sendfile", None)
_MORE = getattr(socket, "MSG_MORE", 0)
_NO_SENDFILE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSOCK})


def _seek_and_read(fd: int, count: int, offset: int) -> bytes:
    os.lseek(fd, offset, os.SEEK_SET)
    return os.read(fd, count)


read_at: Callable[[int, int, int], bytes] = getattr(os, "pread", _seek_and_read)
"""`read_at(fd, count, offset)`: up to `count` bytes of a file, empty at its end."""


class FileShrunk(OSError):
    """There is nothing where the file had bytes when it was opened."""


class PlainConnection(TimedConnection):
    """One TCP connection."""

    def __init__(
        self,
        site: Site,
        group: PollGroup,
        sock: socket.socket,
        peer: str,
        *,
        on_closed: Callable[[PlainConnection], object],
        sendfile: Sendfile | None = SENDFILE,
    ) -> None:
        """`sock` does not block; the connection owns it from now on. Without `sendfile`, files are
        copied by way of our memory."""
        self._session = Session(site, peer)
        self._conversation = self._session.conversation
        self._group = group
        self._socket = sock
        self._fileno = sock.fileno()
        self._on_closed = on_closed
        self._sendfile = sendfile
        self._left = 0
        """Bytes that may still be sent in this turn."""
        self._open = True
        self._lingering = False
        self._watching_input = True
        self._response: Response | None = None
        """The one on its way."""
        group.watch(self._fileno, self.on_readable)

    # What the poll group calls.

    def on_readable(self) -> None:
        try:
            data = self._socket.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            # OVMF resets the connection when it has its file, and what iPXE starts resets those
            # that iPXE left open, some bytes not acknowledged. Nothing is left to send, else we
            # would not read.
            data = b""
        if not data:
            self._end(Outcome.COMPLETE)
        elif not self._lingering:
            self._conversation.received(data)
            self._proceed()

    def on_writable(self) -> None:
        response = self._response
        if response is not None and response.file is not None and response.file.changed():
            self._end(Outcome.FAILED)
        else:
            self._proceed()

    # Our own.

    def _proceed(self) -> None:
        """Send what is to be sent and answer what has been asked, for one turn."""
        try:
            if not self._answer():
                self._await_room()
        except (BlockingIOError, InterruptedError):
            self._await_room()
        except (ConnectionError, TimeoutError):
            self._end(Outcome.ABORTED)
        except OSError:
            self._end(Outcome.FAILED)

    def _answer(self) -> bool:
        """Whether there is nothing left to send."""
        self._left = TURN_BYTES
        for _ in range(TURN_RESPONSES):
            response = self._response
            if response is None:
                response = self._conversation.next_response()
                if response is None:
                    self._await_input()
                    return True
                self._session.begin(response)
                self._response = response
            if not self._send(response):
                return False
            self._response = None
            if response.close:
                self._linger()
                return True
        return False

    def _send(self, response: Response) -> bool:
        """Send what the socket takes and a turn allows; whether that was all."""
        while self._left > 0:
            span = response.end - response.position
            sendfile = self._sendfile
            if span and sendfile is not None:
                sent = self._send_by_kernel(sendfile, response, min(span, self._left))
            else:
                sent = self._send_copy(response, min(span, COPY_SIZE))
            if sent:
                response.position += sent
                self._session.sent(sent)
                self._left -= sent
            if sent < span or response.head:
                return False
            if not response.later:
                return True
            response.next_segment()
        return False

    def _send_by_kernel(self, sendfile: Sendfile, response: Response, count: int) -> int:
        """Send the head and up to `count` bytes of the file; returns how many of these."""
        if response.head:
            sent = self._socket.send(response.head, _MORE)
            response.head = response.head[sent:]
            if response.head:
                return 0
        try:
            sent = sendfile(self._fileno, response.file_fd, response.position, count)
        except OSError as error:
            if error.errno not in _NO_SENDFILE:
                raise
            self._sendfile = None
            return 0
        if not sent:
            raise FileShrunk
        return sent

    def _send_copy(self, response: Response, count: int) -> int:
        """The same by way of our memory, head and bytes in one call."""
        head = data = response.head
        if count:
            data += read_at(response.file_fd, count, response.position)
            if len(data) == len(head):
                raise FileShrunk
        sent = self._socket.send(data, _MORE if response.later else 0) - len(head)
        response.head = head[sent:] if sent < 0 else b""
        return max(sent, 0)

    def _await_input(self) -> None:
        if not self._watching_input:
            self._group.watch(self._fileno, self.on_readable)
            self._watching_input = True

    def _await_room(self) -> None:
        if self._watching_input:
            self._group.watch(self._fileno, None, self.on_writable)
            self._watching_input = False

    def _linger(self) -> None:
        """Say that we are done, and wait for the client to close."""
        self._lingering = True
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._end(Outcome.ABORTED)
            return
        self._await_input()

    def _end(self, outcome: Outcome) -> None:
        if not self._open:
            return
        self._open = False
        self._response = None
        self._group.forget(self._fileno)
        self._socket.close()
        self._session.end(outcome)
        self._on_closed(self)


class PlainListener:
    """A listening TCP socket."""

    def __init__(
        self,
        group: PollGroup,
        sock: socket.socket,
        accepted: Callable[[socket.socket, str], object],
    ) -> None:
        """`accepted` is given each new socket and its peer's address, and owns it."""
        self._group = group
        self._socket = sock
        self._accepted = accepted
        self._paused = True

    def resume(self) -> None:
        """Accept, if that is not being done."""
        if self._paused:
            self._paused = False
            self._group.watch(self._socket.fileno(), self.on_readable)

    def on_readable(self) -> None:
        for _ in range(TURN_ACCEPTS):
            try:
                sock, (peer, _port) = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                # Out of descriptors or memory. The connection stays in the backlog, so that we
                # would be called at once and for ever: the service's next sweep resumes.
                self._paused = True
                self._group.forget(self._socket.fileno())
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._accepted(sock, peer)

    def close(self) -> None:
        self._group.forget(self._socket.fileno())
        self._socket.close()
