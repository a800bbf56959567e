"""The daemon's object graph, to be read from top to bottom like a parts list.

    configuration ──▶ PushService
        state         Store ── Queue             pushes that wait, and what became of the others
        housekeeping  Housekeeping               what expired, what is old
        credentials   Credentials ── Choice      who we are to Apple
        dispatcher    Dispatcher ── Dialer       connections to Apple, one pool per topic
        api           ApiService                 where programs hand in pushes
        admin         AdminService               what the command line asks
        console       ConsoleService             what a browser shows, if [console] is enabled
        metrics       MetricsService             what Prometheus asks, if [metrics] is enabled

The API's port is bound first; then root is given up, if the configuration names a user; then the
database is opened and credentials are read, as that user. The end goes the other way: no push is
taken in any more, then Apple's answers are awaited, then the last outcome is committed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from ops.amount import counted
from ops.config import ConfigError
from ops.counter import Counters
from ops.database import Database, StoreError
from ops.descriptor import SPARE, want_descriptors
from ops.privilege import give_up_root, resolve_identity
from ops.start import StartError, bind_error
from ops.store import Store
from ops.web.admin import FILES as ADMIN_FILES
from ops.web.admin import AdminService
from ops.web.route import Route
from pushd import __version__
from pushd.api.access import load_clients
from pushd.api.service import ApiService
from pushd.api.settings import ApiSettings
from pushd.api.tls import load_tls
from pushd.choice import Choice
from pushd.config import DATABASE, Config, database, state_directory
from pushd.credential import CredentialError
from pushd.credentials import Credentials, signature_thd
from pushd.dial import Dialer, TrustRoots, read_trust_roots_thd
from pushd.dispatcher import Dispatcher
from pushd.housekeeping import Housekeeping
from pushd.queue import Queue
from pushd.settings import AppleSettings
from pushd.statement import SCHEMA
from pushd.world import World

if TYPE_CHECKING:
    from ops.metrics_service import MetricsService
    from ops.web.console import ConsoleService

FOR_APPLE = 1000
"""Connections to Apple that may be open at once: 250 topics with four each."""

T = TypeVar("T")


class PushService(MultiService):
    """The whole daemon, to be started once. Its parts are attributes, for a console or a test to
    look at."""

    def __init__(self, config: Config, world: World) -> None:
        """Builds everything; reads the API's certificate and clients, touches no port.

        Raises StartError.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self._log = Logger("pushd.service")  # in the class, it would take that class's name
        self.config = config
        self.world = world
        self._bound = False
        self.status = ""
        self.started_at = 0
        """Milliseconds since 1970, UTC."""
        self._identity = resolve_identity(config.user, config.group)
        self._tls = _tls_files(config.api)
        reactor = world.reactor

        self.counters = Counters()
        self.store = Store(
            Database(database(config), SCHEMA),
            reactor=reactor,
            counters=self.counters,
            prefix="pushd",
        )
        self.queue = Queue(
            self.store,
            settings=config.queue,
            clock=reactor,
            unix=world.unix,
            counters=self.counters,
        )
        self.housekeeping = Housekeeping(
            self.queue, retention=config.queue.retention, clock=reactor, unix=world.unix
        )
        self.credentials = Credentials(
            config.credentials,
            clock=reactor,
            unix=world.unix,
            in_thread=self._in_thread,
            counters=self.counters,
        )
        self.choice = Choice(config.credentials, self.credentials)
        self.dialer = self._dialer()
        self.dispatcher = Dispatcher(
            self.queue,
            self.credentials,
            dialer=self.dialer,
            world=world,
            settings=config.apple,
            counters=self.counters,
        )
        self.api = None if config.api.certificate is None else self._api()
        self.admin = self._admin() if config.admin.enabled else None
        self.metrics = self._metrics() if config.metrics.enabled else None
        self.console = self._console() if config.console.enabled else None

    # What Twisted calls.

    def bind(self) -> None:
        """Bind the API's port, unless that is done. Raises StartError.

        May be called early: once twistd is in the background, the terminal hears of no error.
        """
        if self._bound:
            return
        self._bound = True
        wanted = self.config.api.max_connections + FOR_APPLE + SPARE
        want_descriptors(wanted, "api.max_connections")
        config = self.config
        for part, service, port, settings in (
            (self.api, "the API", config.api.port, "api.addresses"),
            (self.metrics, "metrics", config.metrics.port, "metrics.addresses"),
            (self.console, "the console", config.console.port, "console.addresses"),
        ):
            try:
                if part is not None:
                    part.privilegedStartService()
            except OSError as error:
                raise bind_error(
                    error, service, "TCP", port, daemon="pushd", settings=settings
                ) from error

    def privilegedStartService(self) -> None:
        """Bind the port, then give up root. Raises StartError."""
        self.bind()
        if self._identity is not None:
            directory = state_directory(self.config.state)
            give_up_root(self._identity, directory, DATABASE, ADMIN_FILES)
            self._identity = None  # there is no way back, nor need there be

    def startService(self) -> None:
        """Open the database, read the credentials and begin. Raises StartError; then call
        `stopService`."""
        self.privilegedStartService()  # twist does not call it
        try:
            self.store.open_thd()
            self.queue.load_thd()
        except StoreError as error:
            raise StartError(str(error)) from error
        self.started_at = int(self.world.unix() * 1000)
        self.credentials.startService()
        self.dispatcher.startService()
        self.queue.start()
        self.housekeeping.startService()
        if self.api is not None:
            self.api.startService()
        for part in (self.admin, self.metrics, self.console):
            if part is not None:
                part.startService()
        super().startService()  # type: ignore[no-untyped-call]
        # Not before the reactor hears signals: whoever waits for this line may send one.
        self.world.reactor.callWhenRunning(self._tell_ready)

    def stopService(self) -> Deferred[None]:
        """Take in no more, await what is under way, commit what became of it. Whatever one part
        fails with, the others are stopped."""
        self._bound = False
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        parts: list[Service] = [self.dispatcher, self.housekeeping, self.credentials]
        if self.api is not None:
            parts.insert(0, self.api)
        web = (self.admin, self.metrics, self.console)
        parts[:0] = [part for part in web if part is not None]
        for part in parts:
            # Their ports may be bound before they run.
            if part.running or part in (self.api, self.metrics, self.console):
                await self._ended(part.stopService)
        await self._ended(super().stopService)
        self.queue.stop()
        await self._ended(self.store.close)
        waiting = counted(self.queue.depth, "push waits", "pushes wait")
        self._log.info("pushd has stopped; {waiting}", waiting=waiting)

    async def _ended(self, stop: Callable[[], object]) -> None:
        try:
            await maybeDeferred(stop)
        except Exception:
            self._log.failure("A part of pushd did not stop as it should")

    def apply(self, config: Config) -> None:
        """Go by other credentials, another certificate of the API, other clients and other trust
        roots, and read all of their files anew; pushes under way go on.

        Raises ConfigError or StartError, and changes nothing, if one is wrong. A credential's files
        are read soon after: what is wrong with one is told, and concerns no other.
        """
        roots = _trust_roots(config.apple)
        if (self.api is None) is not (config.api.certificate is None):
            problem = "api.certificate: the API is switched on and off by a start"
            raise StartError(f"{problem}; restart pushd, or take the change back")
        if self.api is not None:
            tls, seen = None, _tls_files(config.api)
            if seen != self._tls:  # else root alone may be able to read them
                tls = load_tls(config.api)
            self.api.replace_clients(load_clients(config.api.clients))
            if tls is not None:
                self.api.replace_tls(tls)
                self._tls = seen
                self._log.info("The API has another certificate from now on")
        if self.dialer.replace_trust_roots(roots):
            self.dispatcher.redial()
        self.choice.replace(config.credentials)
        self.credentials.replace(config.credentials)
        self.credentials.look(patient=False)

    # The parts.

    def _api(self) -> ApiService:
        config, world = self.config, self.world
        try:
            tls, clients = load_tls(config.api), load_clients(config.api.clients)
        except ConfigError as error:
            raise StartError(str(error)) from error
        return ApiService(
            world.reactor,
            config.api,
            tls=tls,
            clients=clients,
            queue=self.queue,
            credentials=self.choice,
            counters=self.counters,
            version=__version__,
            unix=world.unix,
            monotonic=world.monotonic,
            random_bits=world.random.getrandbits,
            max_age=config.queue.max_age,
            inherited=world.inherited,
        )

    def _admin(self) -> AdminService:
        def routes() -> list[Route]:
            from pushd.admin.routes import routes  # at the first connection

            return routes(self)

        config = self.config
        return AdminService(
            self.world.reactor, config.admin, state_directory(config.state), routes=routes
        )

    def _dialer(self) -> Dialer:
        settings = self.config.apple
        return Dialer(
            settings,
            world=self.world,
            in_thread=self._in_thread,
            trust_roots=_trust_roots(settings),
        )

    def _metrics(self) -> MetricsService:
        from pushd.metric import metrics  # 5 MiB that only its users need

        return metrics(self, self.config, self.world)

    def _console(self) -> ConsoleService:
        from pushd.console.service import console_service  # only its users need it

        return console_service(self)

    def _in_thread(self, work: Callable[[], T]) -> Deferred[T]:
        reactor = self.world.reactor
        return deferToThreadPool(reactor, reactor.getThreadPool(), work)

    # The start.

    def _tell_ready(self) -> None:
        if self.running:
            self.status = self._summary()
            self._log.info("{summary}", summary=self.status)

    def _summary(self) -> str:
        """`pushd 0.1.0 is ready: API 8443 on 127.0.0.1; 2 credentials, 0 pushes wait`."""
        served = "no API, for api.certificate is not set"
        if self.api is not None:
            port = self.api.bound[0][1]
            served = f"API {port} on {', '.join(host for host, _ in self.api.bound)}"
        credentials = counted(len(self.credentials.names()), "credential", "credentials")
        unusable = sum(self.credentials.get(name) is None for name in self.credentials.names())
        if unusable:
            credentials += f" ({unusable} unusable)"
        waiting = counted(self.queue.depth, "push waits", "pushes wait")
        return f"pushd {__version__} is ready: {served}; {credentials}, {waiting}"


def _tls_files(settings: ApiSettings) -> tuple[object, ...]:
    """What differs once the API's TLS is another."""
    paths = settings.certificate, settings.key, settings.client_authority
    signature = signature_thd([path for path in paths if path is not None])
    return *paths, settings.minimum_version, signature


def _trust_roots(settings: AppleSettings) -> TrustRoots | None:
    if settings.trust_roots is None:
        return None
    try:
        return read_trust_roots_thd(settings.trust_roots)
    except CredentialError as error:
        raise StartError(f"apple.trust_roots: {error}") from error
