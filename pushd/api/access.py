"""Which client asks: by bearer token, by a provider token, by certificate, or by being on loopback.

    [[client]]
    name = "console"
    token = "k7dq2mfa:9f86d081…"                # or certificate = "…", or provider_key = {…}
    scopes = ["submit", "read"]
    topics = ["com.example.app", "com.apple.mgmt.*"]

A request that shows a token is judged by it alone. Nothing that was shown is ever logged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID
from msgspec import Meta, Struct, field

from ops import config
from ops.config import Invalid
from protocols.apns.reason import Reason
from pushd.api import bearer
from pushd.api.identity import ANYBODY, Identity, Scope
from pushd.api.limit import Throttle
from pushd.api.provider_key import ProviderKey, ProviderKeys, load_public_key

Ten = Annotated[str, Meta(pattern=r"\A[A-Z0-9]{10}\Z", description="ten capital letters or digits")]
TopicRule = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,299}\*?\Z|\A\*\Z",
        description='a topic such as "com.example.app", or the begin of some and `*`',
    ),
]


class ProviderKeySettings(Struct, frozen=True, kw_only=True):
    """The public half of the .p8 file that an APNs client signs its tokens with."""

    team_id: Ten
    key_id: Ten
    public_key: str
    """PEM."""

    def __post_init__(self) -> None:
        try:
            load_public_key(self.public_key)
        except ValueError:
            remedy = "give the PEM text of a public key on curve P-256"
            raise Invalid("public_key", "is no such key", remedy) from None


class ClientSettings(Struct, frozen=True, kw_only=True):
    """One client; it has one way to log in."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    token: str | None = None
    """What `pushctl token` printed: an id and a hash."""
    certificate: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    """The common name, or a DNS name, of the client's certificate."""
    provider_key: ProviderKeySettings | None = None
    scopes: tuple[Literal["submit", "read", "cancel", "admin"], ...] = ("submit", "read")
    topics: tuple[TopicRule, ...] = ("*",)
    credentials: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        ways = [self.token, self.certificate, self.provider_key]
        if sum(way is not None for way in ways) != 1:
            remedy = "give one of `token`, `certificate` and `provider_key`"
            raise Invalid("token", "is not the only way in, or there is none", remedy)
        if self.token is not None:
            try:
                bearer.split_entry(self.token)
            except ValueError:
                remedy = "copy what was printed when the token was made"
                raise Invalid("token", "is no id with a hash", remedy) from None

    @property
    def identity(self) -> Identity:
        return Identity(
            name=self.name,
            scopes=frozenset(Scope(scope) for scope in self.scopes),
            topics=self.topics,
            credentials=None if self.credentials is None else frozenset(self.credentials),
        )


class ClientsFile(Struct, frozen=True, kw_only=True):
    """The file that `[api] clients` names."""

    clients: tuple[ClientSettings, ...] = field(default=(), name="client")

    def __post_init__(self) -> None:
        taken: set[tuple[str, str]] = set()
        for number, client in enumerate(self.clients):
            for key, way in _ways(client):
                if (key, way) in taken:
                    problem = "is another client's already"
                    raise Invalid(f"client[{number}].{key}", problem, "give each its own")
                taken.add((key, way))


def _ways(client: ClientSettings) -> list[tuple[str, str]]:
    ways = [("name", client.name)]
    if client.token is not None:
        ways.append(("token", bearer.split_entry(client.token)[0]))
    if client.certificate is not None:
        ways.append(("certificate", client.certificate))
    if client.provider_key is not None:
        key = client.provider_key
        ways.append(("provider_key", f"{key.team_id}.{key.key_id}"))
    return ways


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """Nobody that we know. The reason is what Apple would say."""

    reason: Reason
    detail: str
    retry_after: float | None = None
    """Seconds for which this address is not listened to."""


_PROVIDER_TOKENS: Final = {
    Reason.EXPIRED_PROVIDER_TOKEN: "the provider token is older than an hour",
    Reason.INVALID_PROVIDER_TOKEN: (
        "no client has that token, nor the `provider_key` that signed it; or it is of the future"
    ),
}
"""What is told of tokens that are none of ours."""


class Access:
    """The clients of one file, and who failed to be one of them."""

    def __init__(
        self,
        clients: ClientsFile,
        *,
        anonymous: bool,
        throttle: Throttle,
        monotonic: Callable[[], float],
        unix: Callable[[], float],
    ) -> None:
        self._anonymous = anonymous
        self._throttle = throttle
        self._monotonic = monotonic
        self._unix = unix
        self._tokens: dict[str, tuple[str, Identity]] = {}
        self._certificates: dict[str, Identity] = {}
        keys: dict[tuple[str, str], ProviderKey] = {}
        for client in clients.clients:
            identity = client.identity
            if client.token is not None:
                id, digest = bearer.split_entry(client.token)
                self._tokens[id] = digest, identity
            elif client.certificate is not None:
                self._certificates[client.certificate] = identity
            elif client.provider_key is not None:
                said = client.provider_key
                keys[said.team_id, said.key_id] = ProviderKey(
                    team_id=said.team_id,
                    key_id=said.key_id,
                    key=load_public_key(said.public_key),
                    identity=identity,
                )
        self._provider_keys = ProviderKeys(keys)

    def identify(
        self, headers: Mapping[str, str], address: str, certificate: x509.Certificate | None
    ) -> Identity | Denied:
        """Who sent these headers from `address`."""
        now = self._monotonic()
        wait = self._throttle.wait(address, now)
        if wait:
            detail = "too many failed logins from this address"
            return Denied(reason=Reason.TOO_MANY_REQUESTS, detail=detail, retry_after=wait)
        shown = headers.get("authorization")
        found: Identity | Denied
        if shown is not None:
            found = self._by_token(shown)
        elif certificate is not None:
            found = self._by_certificate(certificate)
        elif self._anonymous:
            return ANYBODY
        else:  # no attempt, thus no failure
            detail = "log in by a bearer token or a client certificate"
            return Denied(reason=Reason.MISSING_PROVIDER_TOKEN, detail=detail)
        if isinstance(found, Denied):
            self._throttle.failed(address, now)
        return found

    def _by_token(self, shown: str) -> Identity | Denied:
        scheme, _, token = shown.partition(" ")
        if scheme.lower() == "bearer":
            id = bearer.token_id(token)
            if id is None:
                found = self._provider_keys.identify(token, int(self._unix()))
                if isinstance(found, Identity):
                    return found
                return Denied(reason=found, detail=_PROVIDER_TOKENS[found])
            digest, identity = self._tokens.get(id, (_NO_DIGEST, ANYBODY))
            if bearer.matches(token, digest):
                return identity
        return Denied(reason=Reason.INVALID_PROVIDER_TOKEN, detail="the token is not valid here")

    def _by_certificate(self, certificate: x509.Certificate) -> Identity | Denied:
        for name in _names(certificate):
            if name in self._certificates:
                return self._certificates[name]
        if self._anonymous:
            return ANYBODY
        return Denied(reason=Reason.BAD_CERTIFICATE, detail="no client has this certificate")


_NO_DIGEST = ""
"""What no secret has for a hash."""


def _names(certificate: x509.Certificate) -> list[str]:
    """The common name and the DNS names."""
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    names = [value for attribute in common if isinstance(value := attribute.value, str)]
    try:
        extension = certificate.extensions.get_extension_for_oid(
            ExtensionOID.SUBJECT_ALTERNATIVE_NAME
        )
    except (x509.ExtensionNotFound, ValueError):
        return names
    alternative = extension.value
    assert isinstance(alternative, x509.SubjectAlternativeName)  # noqa: S101 - by its OID
    return names + alternative.get_values_for_type(x509.DNSName)


def load_clients(file: Path | None) -> ClientsFile:
    """What the file says; without one, nobody. Raises ConfigError."""
    if file is None:
        return ClientsFile()
    return config.load(file, ClientsFile)
