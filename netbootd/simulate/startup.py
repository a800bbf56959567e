"""The Startup Disk part of a boot: find servers by BSDP, choose an image, select it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import DatagramProtocol

from netbootd.simulate.watch import BootFailed
from protocols.bsdp.answer import ImageConfirmed, ImageRefused, ImagesListed, Rejected
from protocols.bsdp.client import BsdpClient, Event, ImagesGathered, State, Step, TimedOut
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.inform import Machine
from protocols.bsdp.menu import Choice, menu, preferred
from protocols.bsdp.server import FIRST_UNPRIVILEGED_PORT

Chooser = Callable[[tuple[Choice, ...]], Choice | None]
"""Who sits before the screen: the image to boot, None if none will do."""

UNANSWERED = 2
"""LISTs without an answer after which that is worth a word, 6 seconds into the 80 that it takes
until a Mac gives up."""
MAX_REJECTED = 100
"""Answers thrown away that are remembered: whoever floods us must not fill our memory."""


class StartupDisk(DatagramProtocol):
    """The conversation over one UDP port, the machine's reply port.

    Asked through `server`: 255.255.255.255 for all on the link, or the address of one, whose first
    answer then is the only one and need not be waited for further.
    """

    BROADCAST = "255.255.255.255"

    def __init__(
        self,
        clock: IReactorTime,
        random: Random,
        server: tuple[str, int],
        address: str,
        *,
        timeout: float | None = None,
        silent: Callable[[], None] = lambda: None,
    ) -> None:
        """`timeout`: seconds that the first answer may take, None: as long as a Mac waits;
        `silent` is called once, when the first `UNANSWERED` LISTs were not answered."""
        self._timeout = timeout
        self._silent = silent
        self._asked = 0
        self._heard = False
        self._clock = clock
        self._random = random
        self._server = server
        self._address = address
        self._client: BsdpClient | None = None
        self._timer: IDelayedCall | None = None
        self._waiting: Deferred[Event] | None = None
        self.rejected: deque[Rejected] = deque(maxlen=MAX_REJECTED)
        """Answers that a Mac throws away, for whoever wants to know why nothing happened."""

    # What Twisted calls.

    def startProtocol(self) -> None:
        assert self.transport is not None  # noqa: S101 - Twisted sets it before
        if self._server[0] == self.BROADCAST:
            self.transport.setBroadcastAllowed(True)
        port = self.transport.getHost().port
        self._port = port

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        if self._client is not None and self._waiting is not None:
            self._do(self._client.receive(self._clock.seconds(), datagram))

    def stopProtocol(self) -> None:
        self._stop_timer()

    # Our own.

    @property
    def port(self) -> int:
        """Where answers are to come."""
        return self._port

    async def list(self, machine: Machine) -> tuple[Choice, ...]:
        """The images that this machine is offered. Raises BootFailed if nobody answers."""
        xid = self._random.getrandbits(32)
        self._client = BsdpClient(machine, xid=xid, jitter=self._random.random)
        self._asked, self._heard = 0, False
        patience = None
        if self._timeout is not None:
            patience = self._clock.callLater(self._timeout, self._lose_patience)
        try:
            event = await self._run(self._client.list(self._clock.seconds()))
        finally:
            if patience is not None and patience.active():
                patience.cancel()
        if isinstance(event, ImagesListed):
            return menu([event])
        if isinstance(event, ImagesGathered):
            return event.choices
        raise BootFailed("LIST", f"no server answered{self._why_rejected()}{self._hint()}")

    async def select(self, choice: Choice) -> ImageConfirmed:
        """Select `choice` of the server that offers it best. Raises BootFailed."""
        assert self._client is not None  # noqa: S101 - LIST comes first
        server, image_id = choice.best.server, BootImageId(choice.image.image_id)
        event = await self._run(self._client.select(self._clock.seconds(), server, image_id))
        if isinstance(event, ImageConfirmed):
            return event
        if isinstance(event, ImageRefused):
            raise BootFailed("SELECT", f"{server} answered FAILED: it will not boot {image_id}")
        raise BootFailed("SELECT", f"{server} did not answer{self._why_rejected()}")

    def _why_rejected(self) -> str:
        if not self.rejected:
            return ""
        last = self.rejected[-1]
        detail = f" ({last.detail})" if last.detail else ""
        return f"; {len(self.rejected)} answers were thrown away: {last.reason.value}{detail}"

    def _hint(self) -> str:
        if self._port < FIRST_UNPRIVILEGED_PORT:
            return ""
        return f"; servers ignore reply ports like {self._port}: run this as root"

    async def _run(self, step: Step) -> Event:
        self.rejected.clear()
        waiting: Deferred[Event] = Deferred()
        self._waiting = waiting
        self._do(step)
        return await waiting

    def _do(self, step: Step) -> None:
        self._stop_timer()
        if step.wake_at is not None and self._waiting is not None:
            wait = max(0.0, step.wake_at - self._clock.seconds())
            self._timer = self._clock.callLater(wait, self._wake)
        if step.datagram is not None:
            self._send(step.datagram)
        for event in step.events:  # last, because the answer to one may be the next step
            self._happened(event)

    def _send(self, datagram: bytes) -> None:
        assert self.transport is not None  # noqa: S101 - only called while listening
        self._asked += 1
        if self._asked == UNANSWERED + 1 and not self._heard:
            self._silent()
        try:
            self.transport.write(datagram, self._server)
        except OSError as error:
            address, port = self._server
            why = f"nothing can be sent to {address}, port {port}: {error.strerror or error}"
            self._settle(BootFailed("BSDP", why))

    def _wake(self) -> None:
        if self._client is not None:
            self._do(self._client.wake(self._clock.seconds()))

    def _lose_patience(self) -> None:
        """The time is over; unless somebody has answered, and others are waited for."""
        if not self._heard:
            self._settle(TimedOut(state=State.LISTING))

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _happened(self, event: Event) -> None:
        if isinstance(event, Rejected):
            self.rejected.append(event)
            return
        if isinstance(event, ImagesListed):
            self._heard = True
        if isinstance(event, ImagesListed) and self._server[0] == self.BROADCAST:
            return  # others may answer, too: wait for ImagesGathered
        self._settle(event)

    def _settle(self, result: Event | BootFailed) -> None:
        """What was waited for is here, or will never be."""
        self._stop_timer()
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        if isinstance(result, BootFailed):
            waiting.errback(result)
        else:
            waiting.callback(result)


def choose_by(wanted: str | None) -> Chooser:
    """A chooser for `--image`: a name, an index or a full id; None takes what firmware would."""

    def choose(choices: tuple[Choice, ...]) -> Choice | None:
        if wanted is None:
            return preferred(choices) or choices[0]
        for choice in choices:
            image = choice.image
            if wanted in (image.name, str(image.image_id.index), str(image.image_id)):
                return choice
        return None

    return choose
