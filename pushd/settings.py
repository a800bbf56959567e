"""What an operator may set for the way to Apple: credentials, connections, retries.

The text below each setting is what the example configuration tells the operator.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from ops.config import Invalid
from ops.setting import Duration

HostName = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9:](?:[A-Za-z0-9._:-]{0,251}[A-Za-z0-9])?\Z",
        description="a host name or an IP address",
    ),
]
ServerPort = Annotated[int, Meta(ge=1, le=65535)]
CredentialName = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z",
        description="1 to 64 letters, digits, dots, dashes or underlines",
        examples=["mdm"],
    ),
]
TenCharacters = Annotated[
    str, Meta(pattern=r"\A[A-Z0-9]{10}\Z", description="ten capital letters or digits")
]
Topic = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,299}\Z",
        description='a topic such as "com.example.app"',
    ),
]
Environment = Literal["production", "development"]


INSTEAD = {"instead of": "certificate and key"}
"""For the example configuration, in which all examples together must be possible."""


class CredentialSettings(Struct, frozen=True, kw_only=True):
    """What proves to Apple who we are: one certificate, or one signing key. Its files are watched;
    a renewed one is used without a restart."""

    name: CredentialName
    """What pushes name it by."""
    environment: Environment = "production"
    """Which of Apple's it is for. MDM knows only production."""
    p12: Annotated[Path | None, Meta(examples=["/etc/pushd/app.p12"], extra=INSTEAD)] = None
    """A certificate with its key, as Keychain Access exports them."""
    certificate: Annotated[Path | None, Meta(examples=["/etc/pushd/mdm.pem"])] = None
    """PEM file with the certificate, followed by its intermediates; the key may be in it, too."""
    key: Annotated[Path | None, Meta(examples=["/etc/pushd/mdm.key"])] = None
    """PEM file with the key of `certificate`. Default: it is in the same file."""
    password_file: Annotated[Path | None, Meta(examples=["/etc/pushd/app.password"])] = None
    """File whose first line is the password of `p12` or `key`."""
    p8: Annotated[
        Path | None, Meta(examples=["/etc/pushd/AuthKey_ABC123DEFG.p8"], extra=INSTEAD)
    ] = None
    """A key that signs provider tokens, from Apple's developer site."""
    team_id: Annotated[TenCharacters | None, Meta(examples=["DEF123GHIJ"], extra=INSTEAD)] = None
    """The team of `p8`."""
    key_id: Annotated[TenCharacters | None, Meta(examples=["ABC123DEFG"], extra=INSTEAD)] = None
    """The identifier of `p8`, which is in the file's name."""
    topics: tuple[Topic, ...] = ()
    """Topics to be used with it. Default: those in the certificate, any with a signing key."""

    def __post_init__(self) -> None:
        ways = [way for way in ("p12", "certificate", "p8") if getattr(self, way) is not None]
        if len(ways) != 1:
            problem = "are both given" if ways else "is missing"
            key = " and ".join(ways) or "certificate"
            raise Invalid(key, problem, "give one of p12, certificate and p8")
        for key in ("team_id", "key_id"):
            given = getattr(self, key) is not None
            if given is not (self.p8 is not None):
                problem = "is given without p8" if given else "is missing"
                raise Invalid(key, problem, "p8, team_id and key_id belong together")
        if self.key is not None and self.certificate is None:
            raise Invalid("key", "is given without certificate", "name the certificate, too")
        if self.password_file is not None and self.p8 is not None:
            raise Invalid("password_file", "is given with p8", "a .p8 file has no password")


class ProxySettings(Struct, frozen=True, kw_only=True):
    """An HTTP proxy on the way to Apple. It is asked to CONNECT; it sees no push."""

    host: Annotated[HostName | None, Meta(examples=["proxy.example.com"])] = None
    """The proxy. Default: none, Apple is reached directly."""
    port: ServerPort = 3128
    """Its TCP port."""
    user: Annotated[str | None, Meta(examples=["pushd"], pattern=r"\A[^:\0-\x1f]{1,200}\Z",
        description="a name without colon, of 1 to 200 characters")] = None  # fmt: skip
    """Whom it knows us as. Default: it does not ask."""
    password_file: Annotated[Path | None, Meta(examples=["/etc/pushd/proxy.password"])] = None
    """File whose first line is the password; read for each connection."""

    def __post_init__(self) -> None:
        if (self.user is None) is not (self.password_file is None):
            missing = "user" if self.user is None else "password_file"
            raise Invalid(missing, "is missing", "give both user and password_file, or neither")


class BreakerSettings(Struct, frozen=True, kw_only=True):
    """When a topic is stopped because Apple refuses too much of it."""

    percent: Annotated[int, Meta(ge=1, le=100)] = 50
    """Stop when more than this part of the answers blames token, topic or credential."""
    answers: Annotated[int, Meta(ge=1, le=1000000)] = 100
    """Answers that must have come before they are judged."""
    window: Annotated[Duration, Meta(ge=1, le=86400)] = Duration(60)
    """Answers older than this do not count."""
    pause: Annotated[Duration, Meta(ge=1, le=86400)] = Duration(60)
    """How long a topic rests before one push tries again; doubled each time that is refused, up to
    an hour."""


class AppleSettings(Struct, frozen=True, kw_only=True):
    """The way to Apple."""

    production: HostName = "api.push.apple.com"
    """Apple's server for devices with apps from the App Store, and for MDM."""
    development: HostName = "api.sandbox.push.apple.com"
    """Apple's server for devices with apps from Xcode."""
    port: ServerPort = 443
    """TCP port of both; 2197 is Apple's other one, for firewalls."""
    trust_roots: Annotated[Path | None, Meta(examples=["/etc/pushd/roots.pem"])] = None
    """PEM file with the authorities that the servers' certificates must come from, instead of the
    system's."""
    proxy: ProxySettings = ProxySettings()
    """An HTTP proxy on the way."""
    connections: Annotated[int, Meta(ge=1, le=100)] = 4
    """Connections per credential and topic at most; one is opened, more when it is full."""
    openings: Annotated[int, Meta(ge=1, le=10000)] = 60
    """Connections opened per credential and topic in a minute at most: Apple takes many connections
    in a short time for an attack."""
    streams: Annotated[int, Meta(ge=1, le=100000)] = 1500
    """Pushes under way per connection at most, should Apple allow more."""
    connect_timeout: Annotated[Duration, Meta(ge=1, le=300)] = Duration(20)
    """From the first look-up of a name until Apple speaks HTTP/2."""
    answer_timeout: Annotated[Duration, Meta(ge=1, le=600)] = Duration(60)
    """How long Apple may take to answer a push."""
    ping: Annotated[Duration, Meta(ge=5, le=3600)] = Duration(45)
    """Silence after which Apple is asked for a sign of life; routers forget idle connections."""
    pong_timeout: Annotated[Duration, Meta(ge=1, le=300)] = Duration(15)
    """How long that sign may take."""
    idle: Annotated[Duration | None, Meta(ge=10, le=604800, examples=["12h"])] = None
    """Close connections that had no push for this long. Default: keep them, as Apple advises."""
    first_retry: Annotated[Duration, Meta(ge=0.1, le=60)] = Duration(1)
    """Pause after the first failure to connect; doubled each time."""
    longest_retry: Annotated[Duration, Meta(ge=1, le=3600)] = Duration(60)
    """Longest such pause."""
    unanswered: Literal["at_least_once", "at_most_once"] = "at_least_once"
    """Alerts and calls whose answer was lost: send again with the same id, which may show them
    twice, or give up. All others are sent again: they say nothing twice."""
    retry_percent: Annotated[int, Meta(ge=0, le=100)] = 10
    """Part of all pushes that may be sent again at once; the others wait first."""
    stop_timeout: Annotated[Duration, Meta(ge=0.1, le=300)] = Duration(10)
    """How long a stop waits for answers; what has none by then stays in the queue."""
    breaker: BreakerSettings = BreakerSettings()
    """When a topic is stopped."""

    def __post_init__(self) -> None:
        if self.longest_retry < self.first_retry:
            problem = f"{self.longest_retry} is less than first_retry"
            raise Invalid("longest_retry", problem, "give at least first_retry")

    def host(self, environment: Environment) -> str:
        """Apple's server for `environment`."""
        return self.production if environment == "production" else self.development
