"""Is Apple reached? One connection, step by step, in which no push is sent.

    name ─▶ TCP ─▶ (CONNECT) ─▶ TLS ─▶ who is it? ─▶ ALPN h2 ─▶ SETTINGS

For commands: it blocks, with a limit for each step. The rules are those of `pushd.dial`, the same
authorities, versions and names; what is more is that a refusal tells the step, and what helps.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, Final, TypeVar, cast

from cryptography import x509
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from service_identity import VerificationError
from service_identity.pyopenssl import verify_hostname, verify_ip_address
from twisted.internet.ssl import CertificateOptions, TLSVersion, platformTrust

from ops.text import escape
from protocols.apns.engine import ClientEngine
from protocols.apns.event import SlotsChanged
from pushd.connection import H2
from pushd.credential import CredentialError, Identity, read_password_thd
from pushd.dial import TrustRoots
from pushd.proxy import MAX_HEAD, STATUS, authority, basic, connect_request
from pushd.settings import AppleSettings, Environment, ProxySettings

T = TypeVar("T")

PATIENCE: Final = 10.0
"""Seconds for each step: a SYN that is lost twice is answered by then."""
READ: Final = 65536

_TRUST: Final = "the server's certificate"
_ERRORS: Final = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is signed by itself",
    19: "its authority is not trusted",
    20: "its authority is not trusted",
    21: "its authority is not trusted",
}
"""OpenSSL's X509_V_ERR_… that operators meet."""


class Unreached(Exception):
    """Apple is not; at which step, why, and what helps."""

    def __init__(self, step: str, why: str, remedy: str) -> None:
        super().__init__(step, why, remedy)
        self.step = step
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.step}: {self.why}; {self.remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """It answered in HTTP/2."""

    address: str
    """Of the server, or of the proxy."""
    by_proxy: bool
    tls: str
    """`TLSv1.3`."""
    root: str
    """The authority at the end of the chain."""
    begins_at: datetime
    expires_at: datetime
    """Of the server's certificate."""
    streams: int
    """Pushes that it allows at once."""
    seconds: float


@dataclass(slots=True)
class _Verdict:
    """What the verification came upon."""

    errors: list[tuple[int, x509.Certificate]] = field(default_factory=list)


def reach_thd(
    settings: AppleSettings,
    environment: Environment,
    *,
    port: int | None = None,
    identity: Identity | None = None,
    trust_roots: TrustRoots | None = None,
    patience: float = PATIENCE,
) -> Reached:
    """Connect as the daemon would with `identity`; `port` is another than that of the settings.
    Raises Unreached."""
    host = settings.host(environment)
    port = port or settings.port
    began = time.monotonic()
    with closing(_connected(host, port, settings.proxy, patience)) as tcp:
        tcp.settimeout(patience)
        address = str(tcp.getpeername()[0])
        verdict = _Verdict()
        tls = _tls(host, identity, trust_roots, verdict)
        wire = _Wire(tcp, tls, patience)
        with _told(verdict, host, identity is not None):
            wire.until_done(tls.do_handshake)
            _identified(tls, host)
        if tls.get_alpn_proto_negotiated() != H2:
            remedy = "something on the way ends the TLS; ask for an exception for Apple's servers"
            raise Unreached("HTTP/2", "the server does not offer it (no h2 by ALPN)", remedy)
        with _told(verdict, host, identity is not None):
            streams = _greeted(wire, authority(host, port))
        own, *above = tls.get_verified_chain(as_cryptography=True)
        return Reached(
            address=address,
            by_proxy=settings.proxy.host is not None,
            tls=tls.get_protocol_version_name(),
            root=_name(above[-1] if above else own),
            begins_at=own.not_valid_before_utc,
            expires_at=own.not_valid_after_utc,
            streams=streams,
            seconds=time.monotonic() - began,
        )


# TCP.


def _connected(host: str, port: int, proxy: ProxySettings, patience: float) -> socket.socket:
    if proxy.host is not None:
        return _tunnelled(host, port, proxy, proxy.host, patience)
    return _dialled("", host, port, patience, f"let TCP port {port} out to {host}")


def _dialled(what: str, host: str, port: int, patience: float, remedy: str) -> socket.socket:
    """`what` is its name in an error, where that is not the server itself."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        why = f"{host} cannot be looked up ({error.strerror})"
        raise Unreached("name", why, "check the resolver of this computer") from error
    said = []
    for family, kind, protocol, _, address in found:
        try:
            tcp = socket.socket(family, kind, protocol)
            tcp.settimeout(patience)
            tcp.connect(address)
        except OSError as error:
            tcp.close()
            why = "no answer" if isinstance(error, TimeoutError) else str(error.strerror)
            said.append(f"{address[0]}: {why}")
        else:
            return tcp
    raise Unreached("TCP", f"{what}is not reached ({'; '.join(said)})", remedy)


def _tunnelled(
    host: str, port: int, proxy: ProxySettings, proxy_host: str, patience: float
) -> socket.socket:
    header = None
    if proxy.user is not None and proxy.password_file is not None:
        try:
            header = basic(proxy.user, read_password_thd(proxy.password_file))
        except CredentialError as error:
            raise Unreached("proxy", f"{error.path}: {error.why}", error.remedy) from error
    remedy = "check apple.proxy.host and apple.proxy.port"
    name = f"the proxy {authority(proxy_host, proxy.port)} "
    tcp = _dialled(name, proxy_host, proxy.port, patience, remedy)
    try:
        _ask_for_tunnel(tcp, host, port, header)
    except BaseException:
        tcp.close()
        raise
    return tcp


def _ask_for_tunnel(tcp: socket.socket, host: str, port: int, header: bytes | None) -> None:
    head = b""
    try:
        tcp.sendall(connect_request(authority(host, port), header))
        while (data := tcp.recv(MAX_HEAD)) and len(head) <= MAX_HEAD:
            head += data
            if b"\r\n\r\n" in head or b"\n\n" in head:
                break
    except OSError as error:
        why = "it does not answer" if isinstance(error, TimeoutError) else str(error.strerror)
        raise Unreached("proxy", why, _again()) from error
    status = STATUS.match(head)
    if status is None:
        remedy = "check apple.proxy.host and apple.proxy.port"
        raise Unreached("proxy", "what answers is no HTTP proxy", remedy)
    code, phrase = int(status[1]), (status[2] or b"").decode("latin-1")
    if 200 <= code < 300:
        return
    if code in (401, 407):  # 401 is what tinyproxy 1.11 says to a wrong password
        remedy = "check apple.proxy.user and apple.proxy.password_file"
    else:
        remedy = f"let the proxy CONNECT to {host}, port {port}"
    raise Unreached("proxy", f"the proxy answers {code} {escape(phrase, 80)}".rstrip(), remedy)


# TLS.


def _tls(
    host: str, identity: Identity | None, trust_roots: TrustRoots | None, verdict: _Verdict
) -> Any:
    """As Twisted's client has it, but that it notes why somebody is not trusted."""
    context = CertificateOptions(
        trustRoot=_system() if trust_roots is None else trust_roots.roots,
        raiseMinimumTo=TLSVersion.TLSv1_2,
        **({} if identity is None else identity.options()),
    ).getContext()

    def verified(_: object, certificate: Any, error: int, depth: int, ok: int) -> bool:
        if not ok:
            verdict.errors.append((error, certificate.to_cryptography()))
        return bool(ok)

    tls = SSL.Connection(context, None)
    tls.set_verify(SSL.VERIFY_PEER, verified)
    tls.set_alpn_protos([H2])
    if not _is_address(host):
        tls.set_tlsext_host_name(host.encode("idna"))
    tls.set_connect_state()
    return tls


def _system() -> Any:
    """The authorities of this computer."""
    return platformTrust()  # type: ignore[no-untyped-call]


def _identified(tls: Any, host: str) -> None:
    """Raises VerificationError."""
    if _is_address(host):
        verify_ip_address(tls, host)
    else:
        verify_hostname(tls, host)


class _Wire:
    """Carries what TLS has to say, for at most so long."""

    def __init__(self, tcp: socket.socket, tls: Any, patience: float) -> None:
        self._tcp = tcp
        self._tls = tls
        self._until = time.monotonic() + patience

    def until_done(self, step: Callable[[], T]) -> T:
        """What `step` returns once enough has come. Raises SSL.Error or OSError."""
        while True:
            try:
                done = step()
            except SSL.WantReadError:
                self.flush()
                self._feed()
            else:
                self.flush()
                return done
            finally:
                self.flush()

    def send(self, data: bytes) -> None:
        if data:
            self._tls.send(data)
            self.flush()

    def receive(self) -> bytes:
        return self.until_done(lambda: cast(bytes, self._tls.recv(READ)))

    def flush(self) -> None:
        while True:
            try:
                data = self._tls.bio_read(READ)
            except SSL.WantReadError:
                return
            self._tcp.sendall(data)

    def _feed(self) -> None:
        left = self._until - time.monotonic()
        if left <= 0 or not select.select([self._tcp], [], [], left)[0]:
            raise TimeoutError
        data = self._tcp.recv(READ)
        if not data:
            raise ConnectionResetError
        self._tls.bio_write(data)


def _greeted(wire: _Wire, name: str) -> int:
    """The streams that the first SETTINGS allow."""
    engine = ClientEngine(name.encode("ascii"), time.monotonic())
    wire.send(engine.outgoing())
    while True:
        events = engine.receive(wire.receive(), time.monotonic())
        wire.send(engine.outgoing())
        for event in events:
            if type(event) is SlotsChanged:
                return event.limit
        if engine.closed is not None:
            remedy = "Apple refuses who we are, or is not who answers"
            raise Unreached("HTTP/2", engine.closed, remedy)


@contextmanager
def _told(verdict: _Verdict, host: str, with_certificate: bool) -> Iterator[None]:
    """What TLS complains of, in words."""
    try:
        yield
    except VerificationError as error:
        remedy = f"check that {host} leads to Apple, and not to something between"
        raise Unreached("trust", f"{_TRUST} is for another name", remedy) from error
    except SSL.ZeroReturnError as error:
        raise Unreached("HTTP/2", "the server closed the connection", _again()) from error
    except SSL.Error as error:
        if verdict.errors:
            raise _distrusted(*verdict.errors[0]) from error
        raise _alerted(error, with_certificate) from error
    except TimeoutError as error:
        raise Unreached("TLS", "the server does not answer", _again()) from error
    except OSError as error:
        why = f"the connection was cut ({error.strerror or 'closed'})"
        remedy = "a firewall that looks into TLS does that: ask for an exception"
        raise Unreached("TLS", why, remedy) from error


def _distrusted(error: int, certificate: x509.Certificate) -> Unreached:
    why = f"{_TRUST} is not trusted: {_ERRORS.get(error, f'OpenSSL says {error}')}"
    if error in (9, 10):
        now = datetime.now(UTC)
        remedy = f"check this computer's clock, which says {now:%Y-%m-%d %H:%M} UTC"
    else:
        why += f" (it is of {_name(certificate)}, issued by {_issuer(certificate)})"
        remedy = (
            "install ca-certificates, or name the authority in apple.trust_roots;"
            " if it is none of Apple's, something on the way ends the TLS"
        )
    return Unreached("trust", why, remedy)


def _alerted(error: SSL.Error, with_certificate: bool) -> Unreached:
    queue = error.args[0] if error.args else []
    said = "; ".join(str(part[-1]) for part in queue) if isinstance(queue, list) else str(error)
    why = escape(said) or "TLS failed without a word"
    if with_certificate and ("alert" in why or "certificate" in why):
        remedy = "it may be revoked, or for the other environment; look at Apple's portal"
        return Unreached("certificate", f"Apple refuses ours ({why})", remedy)
    return Unreached("TLS", why, "something that speaks no TLS 1.2 is on the way")


def _again() -> str:
    return "try again; if it stays so, something on the way does not let it through"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _name(certificate: x509.Certificate) -> str:
    return _common_name(certificate.subject)


def _issuer(certificate: x509.Certificate) -> str:
    return _common_name(certificate.issuer)


def _common_name(name: x509.Name) -> str:
    for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for attribute in name.get_attributes_for_oid(oid):
            return escape(str(attribute.value), 100)
    return escape(name.rfc4514_string(), 100) or "nobody"
