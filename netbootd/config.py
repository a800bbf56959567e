"""What an operator may set for netbootd, and every default.

The defaults are what runs without a configuration file: `./images` is served over BSDP, TFTP and
HTTP on the private addresses of this computer, and on no other. The text below each setting is what
`docs/netbootd.example.toml` tells the operator; `ops.config` checks what the operator writes.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from netbootd.dhcp.settings import DhcpSettings
from netbootd.pxe.settings import PxeSettings
from ops import config, state
from ops.config import Invalid
from ops.log import LogSettings
from ops.metrics import MetricsSettings
from ops.setting import ByteSize, Duration, InterfacePattern, MacAddress, Port, TlsVersion
from ops.web.settings import AdminSettings, ConsoleSettings

ShareName = Annotated[
    str,
    Meta(
        pattern=r"\A(?!\.)[A-Za-z0-9._-]{1,32}\Z",
        description="1 to 32 letters, digits, dots, dashes or underlines",
    ),
]
"""One component of a path that firmware has to fit into 128 bytes together with the rest."""

ExportPath = Annotated[
    str,
    Meta(pattern=r"\A/[^\0\n]{0,127}\Z", description="an absolute path of up to 128 characters"),
]

Priority = Annotated[int, Meta(ge=0, le=65535)]

MachineNameFormat = Annotated[
    str,
    Meta(
        pattern=r"\A[^%\0]{0,50}%(0?[1-9])?d[^%\0]{0,50}\Z",
        description='a text with one %d, such as "NetBoot%03d"',
    ),
]

ShadowPath = Annotated[str, Meta(min_length=1, max_length=200)]
"""Has to fit one option of 255 bytes, beside the others and with the computer name put in."""

# RFC 1918, and RFC 3927 for a direct cable. 192.0.2.0/24 and the like, which Python also calls
# private, are left out: nobody's LAN has them.
PRIVATE = tuple(
    IPv4Network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")
)


class Share(Struct, frozen=True, kw_only=True):
    """A folder of .nbi bundles, published under one name."""

    path: Path
    """The folder. A relative path is taken from the folder of this file."""
    name: ShareName = "NetBootSP0"
    """Name in boot file paths and URLs; Apple's servers count theirs up. Must be unique."""


class ImageSettings(Struct, frozen=True, kw_only=True):
    """Where boot images are."""

    shares: tuple[Share, ...] = field(default=(Share(path=Path("images")),), name="share")
    """Folders of .nbi bundles. A missing folder stops the start; only where `[dhcp]` is enabled,
    the default may be missing, or another single folder called images."""
    rescan: Annotated[Duration, Meta(ge=0.5, le=3600)] = Duration(2)
    """How often the folders are looked at for changes."""

    def __post_init__(self) -> None:
        names = [share.name.lower() for share in self.shares]
        if not names:
            raise Invalid("share", "is empty", "name at least one folder of images")
        for number, name in enumerate(names):
            if name in names[:number]:
                key, shown = f"share[{number}].name", self.shares[number].name
                raise Invalid(key, f'"{shown}" is taken', "give each share a name of its own")


class NetworkSettings(Struct, frozen=True, kw_only=True):
    """Where we serve. An address is served if all three settings agree."""

    interfaces: tuple[InterfacePattern, ...] = (InterfacePattern("*"),)
    """Interfaces to serve on, by name or pattern."""
    exclude: tuple[InterfacePattern, ...] = ()
    """Interfaces never to serve on, even if `interfaces` has them."""
    addresses: tuple[IPv4Network, ...] = PRIVATE
    """Networks that our own address must be in. A public address is served only if named here."""

    def serves(self, interface: str, address: IPv4Address) -> bool:
        """Whether to serve on `address`, which is this computer's on `interface`."""
        return (
            any(fnmatchcase(interface, pattern) for pattern in self.interfaces)
            and not any(fnmatchcase(interface, pattern) for pattern in self.exclude)
            and any(address in network for network in self.addresses)
        )


class InterfaceSettings(Struct, frozen=True, kw_only=True):
    """What differs on one interface; the table is named after it."""

    bsdp: bool = True
    """Answer BSDP on this interface, if `[bsdp]` is enabled at all."""
    dhcp: bool = True
    """Lease addresses on this interface, if `[dhcp]` is enabled at all."""
    pxe: bool = True
    """Answer PXE and HTTP boot clients on this interface, if `[pxe]` is enabled at all."""
    tftp: bool = True
    """Serve TFTP on this interface, if `[tftp]` is enabled at all."""
    http: bool = True
    """Serve HTTP and HTTPS on this interface, if they are enabled at all."""
    server_address: Annotated[IPv4Address | None, Meta(examples=["192.168.1.10"])] = None
    """The address that clients on this interface are told to load from. Default: the address of the
    interface that their request arrived on."""
    priority: Annotated[Priority | None, Meta(examples=[40000])] = None
    """Priority of this server on this interface, instead of `bsdp.priority`."""


class BsdpSettings(Struct, frozen=True, kw_only=True):
    """The Boot Server Discovery Protocol, by which Macs find their images."""

    enabled: bool = True
    """Answer BSDP. Plain DHCP requests are left alone, unless `[dhcp]` is enabled."""
    port: Port = 67
    """UDP port of the server. `[dhcp]` and `[pxe]` answer on it, too."""
    share_port: bool = False
    """Let a DHCP server on this computer have the port, too. Both see broadcasts; which of them
    sees a unicast is the system's choice."""
    server_name: Annotated[str | None, Meta(examples=["boot.example.com"], max_length=63)] = None
    """Our host name in replies. Default: the name of this computer."""
    priority: Literal["auto"] | Priority = "auto"
    """Where several servers offer an image, the highest priority wins. "auto" is Apple's rule:
    32768 minus the number of machines that selected an image here, so that load spreads."""
    machine_name_format: MachineNameFormat = "NetBoot%03d"
    """Computer name of a network-booted Mac; its number takes the place of %d."""
    shadow_mount_path: Annotated[
        ShadowPath | None, Meta(examples=["afp://netboot:secret@192.168.1.10/Shadow"])
    ] = None
    """URL of a share, on a server of yours, where diskless Macs may write. Any client can read the
    password in it. Without it, no Mac is told to run diskless."""
    shadow_file_path: ShadowPath = "%s/Shadow"
    """Path of the shadow file on that share; the computer name takes the place of %s."""
    old_firmware: bool = False
    """Answer NetBoot 1.0 firmware (PowerPC Macs of 1999 and 2000), as far as it speaks BSDP."""
    unprivileged_reply_port: bool = False
    """Answer clients that ask for replies to a port above 1023, which BSDP forbids. For tests."""
    allow: tuple[MacAddress, ...] = ()
    """If not empty, only these machines are answered: ["00:16:cb:aa:bb:cc", "0:16:cb:a:b:c"]."""
    deny: tuple[MacAddress, ...] = ()
    """These machines are never answered, even if `allow` has them."""


class TftpSettings(Struct, frozen=True, kw_only=True):
    """TFTP, by which firmware loads booter and kernel. Reading only; writes are refused."""

    enabled: bool = True
    """Serve TFTP."""
    port: Port = 69
    """UDP port of the server."""
    max_blksize: Annotated[int, Meta(ge=512, le=65464)] = 1468
    """Bytes in a block at most, whatever the client asks for. 1468 fills one Ethernet frame; with
    more, packets are fragmented, and Macs hang on fragments. Take less behind tunnels."""
    max_windowsize: Annotated[int, Meta(ge=1, le=65535)] = 64
    """Blocks that may be under way before an acknowledgement (RFC 7440)."""
    give_up: Annotated[Duration, Meta(ge=1, le=600)] = Duration(30)
    """A transfer ends when its client has been silent this long."""
    max_transfers: Annotated[int, Meta(ge=1, le=10000)] = 500
    """Transfers at the same time. A request beyond that goes unanswered: its client asks again."""
    max_transfers_per_client: Annotated[int, Meta(ge=1, le=10000)] = 16
    """Transfers at the same time to one address."""


class HttpSettings(Struct, frozen=True, kw_only=True):
    """HTTP, by which a booted kernel reads its root image."""

    enabled: bool = True
    """Serve HTTP. Without it, images of type HTTP cannot be offered."""
    port: Port = 80
    """TCP port of the server."""
    max_connections: Annotated[int, Meta(ge=1, le=50000)] = 2000
    """Connections at the same time, HTTPS included; more are closed at once."""
    max_connections_per_client: Annotated[int, Meta(ge=1, le=50000)] = 200
    """Connections at the same time from one address. Machines behind one router share it."""
    idle_timeout: Annotated[Duration, Meta(ge=1, le=3600)] = Duration(75)
    """A connection without a request is closed after this time."""
    request_timeout: Annotated[Duration, Meta(ge=1, le=600)] = Duration(20)
    """A request must be complete within this time."""
    stall_timeout: Annotated[Duration, Meta(ge=1, le=3600)] = Duration(60)
    """A client that takes nothing of an answer for this long is cut off."""
    max_request: Annotated[ByteSize, Meta(ge=1024, le=65536)] = ByteSize(16384)
    """Size of a request's line and headers at most."""


class HttpsSettings(Struct, frozen=True, kw_only=True):
    """HTTPS on a port of its own, beside HTTP. No Mac kernel can read its root image this way."""

    enabled: bool = False
    """Serve HTTPS."""
    port: Port = 443
    """TCP port of the server."""
    certificate: Annotated[Path | None, Meta(examples=["/etc/netbootd/tls/certificate.pem"])] = None
    """PEM file with the certificate, followed by its intermediates."""
    key: Annotated[Path | None, Meta(examples=["/etc/netbootd/tls/key.pem"])] = None
    """PEM file with the private key, not encrypted. Read before privileges are dropped."""
    minimum_version: TlsVersion = "TLSv1.2"
    """The oldest version of TLS that is accepted; newer ones are, too. "TLSv1.2OrLater" is another
    word for "TLSv1.2". "TLSv1.1" and "TLSv1.0" are insecure, for clients that know nothing else."""

    def __post_init__(self) -> None:
        for key in ("certificate", "key"):
            if self.enabled and getattr(self, key) is None:
                raise Invalid(key, "is missing", "name a PEM file, or set enabled = false")


class NfsSettings(Struct, frozen=True, kw_only=True):
    """An NFS server that exports the images, too. With it, images of type NFS can be offered."""

    server: Annotated[IPv4Address | None, Meta(examples=["192.168.1.20"])] = None
    """Address of the NFS server; a Mac has no DNS when it mounts its root. Default: this computer,
    as the Mac reaches it."""
    export: Annotated[ExportPath | None, Meta(examples=["/exports/NetBoot"])] = None
    """The exported folder, which holds the .nbi folders."""

    def __post_init__(self) -> None:
        if self.server is not None and self.export is None:
            raise Invalid("export", "is missing", "name the exported path")


class StateSettings(Struct, frozen=True, kw_only=True):
    """What must survive a restart: which machine chose which image or boot entry, and with `[dhcp]`
    every lease. Back it up."""

    directory: Annotated[Path | None, Meta(examples=["/var/lib/netbootd"])] = None
    """Folder of the database; created if missing. Default: /var/lib/netbootd for root, otherwise
    $XDG_STATE_HOME/netbootd (~/.local/state/netbootd), %PROGRAMDATA%\\netbootd on Windows."""


class HistorySettings(Struct, frozen=True, kw_only=True):
    """Boots that are over, for `netbootctl machines` and the console. They are in the database."""

    boots: Annotated[int, Meta(ge=0, le=1_000_000)] = 10_000
    """Boots that are kept, of all machines together; 0 keeps none. Each takes about 1 KiB."""
    keep: Annotated[Duration, Meta(ge=3600, le=315_360_000)] = Duration(7_776_000)
    """How long a boot is kept."""


class Config(Struct, frozen=True, kw_only=True):
    """netbootd's settings."""

    user: Annotated[str | None, Meta(examples=["netbootd"], min_length=1, max_length=64)] = None
    """User to become once all ports are bound. Default: stay who we are."""
    group: Annotated[str | None, Meta(examples=["netbootd"], min_length=1, max_length=64)] = None
    """Group to become. Default: the user's own."""
    images: ImageSettings = ImageSettings()
    network: NetworkSettings = NetworkSettings()
    interface: Annotated[dict[str, InterfaceSettings], Meta(examples=["en0"])] = {}
    bsdp: BsdpSettings = BsdpSettings()
    dhcp: DhcpSettings = DhcpSettings()
    pxe: PxeSettings = PxeSettings()
    tftp: TftpSettings = TftpSettings()
    http: HttpSettings = HttpSettings()
    https: HttpsSettings = HttpsSettings()
    nfs: NfsSettings = NfsSettings()
    state: StateSettings = StateSettings()
    history: HistorySettings = HistorySettings()
    admin: AdminSettings = AdminSettings()
    metrics: MetricsSettings = MetricsSettings()
    console: ConsoleSettings = ConsoleSettings()
    log: LogSettings = LogSettings()

    def __post_init__(self) -> None:
        if self.pxe.scheme == "https" and not self.https.enabled:
            remedy = "enable [https] and name its certificate, or set it to http"
            raise Invalid("pxe.scheme", "is https, which is not served", remedy)

    @property
    def requires_images(self) -> bool:
        """Whether a missing folder stops the start. Where we lease addresses there is something to
        do without the default folder."""
        (share, *others) = self.images.shares
        is_default = share == Share(path=share.path) and share.path.name == "images"
        return not (self.dhcp.enabled and is_default and not others)

    def on(self, interface: str) -> InterfaceSettings:
        """The settings of one interface, defaults where the file says nothing."""
        return self.interface.get(interface, InterfaceSettings())


HEADING = """\
netbootd.toml: every setting of netbootd, with its default.

Delete what you do not change: a default may improve with a later version. Lines that begin with #
and no space are examples for settings that are off or found out by default.

Durations have a unit (500ms, 30s, 5m, 1h), and so have sizes (64 KiB, 1 MiB). Relative paths are
taken from the folder of this file. `netbootctl check FILE` tells whether netbootd would start with
it."""


def example() -> str:
    """The annotated example configuration."""
    from ops.example import example  # the daemon itself never needs it

    return example(Config, HEADING)


def load(file: Path | None) -> Config:
    """The settings in `file`, or the defaults; relative paths are from the file's folder, or from
    the working directory. Raises ops.config.ConfigError."""
    if file is None:
        return config.anchored(Config(), Path.cwd())
    return config.load(file, Config)


def state_directory(settings: StateSettings) -> Path:
    """Where the database is: as configured, or where this system keeps the state of a daemon."""
    return state.state_directory(settings.directory, "netbootd")
