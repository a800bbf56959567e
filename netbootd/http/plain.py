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

from netbootd.http.files import PublishedFile
from netbootd.http.limit import Phase
from netbootd.http.response import Response, Segment
from netbootd.http.session import Session
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

HAS_SENDFILE = hasattr(os, "sendfile")
_MORE = getattr(socket, "MSG_MORE", 0)
_NO_SENDFILE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSOCK})


def read_at(fd: int, offset: int, count: int) -> bytes:
    """Up to `count` bytes of a file, empty at its end."""
    if hasattr(os, "pread"):
        return os.pread(fd, count, offset)
    os.lseek(fd, offset, os.SEEK_SET)
    return os.read(fd, count)


class PlainConnection:
    """One TCP connection."""

    def __init__(
        self,
        site: Site,
        group: PollGroup,
        sock: socket.socket,
        peer: str,
        *,
        on_closed: Callable[[PlainConnection], object],
        use_sendfile: bool = HAS_SENDFILE,
    ) -> None:
        """`sock` does not block; the connection owns it from now on."""
        self._session = Session(site, peer)
        self._conversation = self._session.conversation
        self._group = group
        self._socket = sock
        self._fileno = sock.fileno()
        self._on_closed = on_closed
        self._use_sendfile = use_sendfile
        self._open = True
        self._lingering = False
        self._watching_input = True
        # The response on its way: what is left of the current segment, and the segments after it.
        self._responding = False
        self._closes = False
        self._file: PublishedFile | None = None
        self._head = b""
        self._position = self._end = 0
        self._later: list[Segment] = []
        group.watch(self._fileno, self.on_readable)

    # What the poll group calls.

    def on_readable(self) -> None:
        try:
            data = self._socket.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._close(Outcome.COMPLETE if self._lingering else Outcome.ABORTED)
            return
        if not data:
            self._close(Outcome.COMPLETE)
        elif not self._lingering:
            self._conversation.received(data)
            self._proceed()

    def on_writable(self) -> None:
        if self._responding and self._file is not None and self._file.changed():
            self._close(Outcome.FAILED)
        else:
            self._proceed()

    # What the service calls.

    def sweep(self, now: float) -> None:
        phase = self._session.phase(responding=self._responding, lingering=self._lingering)
        if not self._session.sweep(phase, now):
            return
        if phase is Phase.REQUEST and self._conversation.begun:
            self._begin(self._conversation.timed_out())
            self._proceed()
        elif phase in (Phase.REQUEST, Phase.RESPONSE):
            self._close(Outcome.TIMEOUT)
        else:
            self._close(Outcome.COMPLETE)

    def stop(self) -> None:
        self._close(Outcome.STOPPED)

    # Our own.

    def _proceed(self) -> None:
        """Send what is to be sent and answer what has been asked, for one turn."""
        for _ in range(TURN_RESPONSES):
            if self._responding:
                if not self._send():
                    return
                if self._closes:
                    self._linger()
                    return
            response = self._conversation.next_response()
            if response is None:
                if not self._watching_input:
                    self._group.watch(self._fileno, self.on_readable)
                    self._watching_input = True
                return
            self._begin(response)
        self._await_room()

    def _begin(self, response: Response) -> None:
        self._session.begin(response)
        self._responding = True
        self._closes = response.close
        self._file = response.file
        segments = response.segments
        self._head, self._position, self._end = segments[0]
        if len(segments) > 1:
            self._later = list(segments[:0:-1])

    def _send(self) -> bool:
        """Send on; False if the response has not gone yet, or the connection has."""
        try:
            done = self._send_segments()
        except (BlockingIOError, InterruptedError):
            done = False
        except (ConnectionError, TimeoutError):
            self._close(Outcome.ABORTED)
            return False
        except OSError:
            self._close(Outcome.FAILED)
            return False
        if done:
            self._responding = False
        elif self._open:
            self._await_room()
        return done

    def _send_segments(self) -> bool:
        left = TURN_BYTES
        while True:
            if self._head:
                more = _MORE if self._end or self._later else 0
                sent = self._socket.send(self._head, more)
                if sent < len(self._head):
                    self._head = self._head[sent:]
                    return False
                self._head = b""
            if self._position < self._end:
                sent = self._send_span(min(self._end - self._position, left))
                if not sent:  # the file has become shorter
                    self._close(Outcome.FAILED)
                    return False
                self._position += sent
                self._session.sent(sent)
                left -= sent
                if self._position < self._end:
                    return False
            if not self._later:
                return True
            self._head, self._position, self._end = self._later.pop()

    def _send_span(self, count: int) -> int:
        fd = self._file.fd if self._file is not None else -1
        if self._use_sendfile:
            try:
                return os.sendfile(self._fileno, fd, self._position, count)
            except OSError as error:
                if error.errno not in _NO_SENDFILE:
                    raise
                self._use_sendfile = False  # not from this file system
        return self._socket.send(read_at(fd, self._position, min(count, COPY_SIZE)))

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
            self._close(Outcome.ABORTED)
            return
        if not self._watching_input:
            self._group.watch(self._fileno, self.on_readable)
            self._watching_input = True

    def _close(self, outcome: Outcome) -> None:
        if not self._open:
            return
        self._open = False
        self._responding = False
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
