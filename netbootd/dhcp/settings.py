"""What an operator may set for the DHCP server: `[dhcp]`.

The Structs hold what is written. What contradicts itself is found by `netbootd.dhcp.plan`, which
makes of it what the server works by; it is not imported until there is a subnet to plan for.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ops.config import Invalid
from ops.setting import AddressRange, Duration, MacAddress, NetworkRoute

Addresses = IPv4Address | tuple[IPv4Address, ...]
Texts = str | tuple[str, ...]

OptionValue = bool | int | str | tuple[int | str, ...]
Options = Annotated[
    dict[str, OptionValue], Meta(examples=[{"time-offset": 3600, "224": "hex:0a0b0c"}])
]
"""By name as in the RFC, or by number; see `netbootd.dhcp.option_text`."""

LeaseTime = Annotated[Duration, Meta(ge=4, le=31_536_000)]
"""At least 4 s, so that half of it is a time to renew after; at most a year."""

HostName = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z",
        description="a host name of up to 63 letters, digits and dashes",
    ),
]
DomainName = Annotated[
    str,
    Meta(
        pattern=r"\A(?=.{1,253}\Z)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\Z",
        description='a domain name such as "example.com"',
    ),
]
ClassName = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9._-]{1,32}\Z",
        description="1 to 32 letters, digits, dots, dashes or underlines",
    ),
]
Identifier = Annotated[
    str,
    Meta(
        pattern=r"\A(hex:([0-9A-Fa-f]{2}){1,255}|(?!hex:)[ -~]{1,255})\Z",
        description='a text of up to 255 characters, or bytes such as "hex:01005e0001"',
    ),
]
MacPrefix = Annotated[
    str,
    Meta(
        pattern=r"\A[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){0,5}\Z",
        description='the beginning of Ethernet addresses, such as "52:54:00"',
    ),
]
EntryName = Annotated[str, Meta(min_length=1, max_length=255)]


class PoolSettings(Struct, frozen=True, kw_only=True):
    """Addresses for machines of certain classes."""

    range: AddressRange
    """The addresses."""
    classes: tuple[ClassName, ...] = field(default=(), name="class")
    """Names of [[dhcp.class]]: only their machines get an address here. Empty: all machines."""


class SubnetSettings(Struct, frozen=True, kw_only=True):
    """A network of clients, on an interface of ours or behind a relay."""

    network: Annotated[IPv4Network, Meta(examples=["10.0.0.0/24"])]
    """The network. It is served where an address of ours is in it, and through relays."""
    pools: Annotated[
        tuple[AddressRange | PoolSettings, ...],
        Meta(examples=[["10.0.0.100-10.0.0.199"]]),
    ] = ()
    """Addresses to lease. Without any, only machines with a [[dhcp.host]] get one. An item may also
    be a table: { range = "10.0.0.100-10.0.0.199", class = ["lab"] }."""
    exclude: Annotated[tuple[AddressRange, ...], Meta(examples=[["10.0.0.110", "10.0.0.120"]])] = ()
    """Addresses in the pools that are somebody's already. Our own, those of [[dhcp.host]] and those
    of the routers and servers named here are never leased to others anyway."""
    router: Annotated[Addresses | None, Meta(examples=["10.0.0.1"])] = None
    """The way out, or a list of several. Without one, machines reach this network only."""
    dns: Annotated[Addresses | None, Meta(examples=[["10.0.0.2", "10.0.0.3"]])] = None
    """DNS servers. Default: `dhcp.dns`."""
    domain: Annotated[DomainName | None, Meta(examples=["lab.example.com"])] = None
    """Domain of the machines. Default: `dhcp.domain`."""
    search: Annotated[
        tuple[DomainName, ...], Meta(examples=[["lab.example.com", "example.com"]])
    ] = ()
    """Domains in which machines look up names without dots. Default: `dhcp.search`."""
    ntp: Annotated[Addresses | None, Meta(examples=["10.0.0.2"])] = None
    """Time servers. Default: `dhcp.ntp`."""
    routes: Annotated[
        tuple[NetworkRoute, ...], Meta(examples=[["10.9.0.0/16 via 10.0.0.254"]])
    ] = ()
    """Ways to further networks. A machine that learns of them ignores `router`, says RFC 3442, so
    it is sent once more among them."""
    lease_time: Annotated[LeaseTime | None, Meta(examples=["8h"])] = None
    """How long a machine may keep an address without asking again. Default: as in [dhcp]."""
    min_lease_time: Annotated[LeaseTime | None, Meta(examples=["10m"])] = None
    """What a machine gets at least that asks for less. Default: as in [dhcp]."""
    max_lease_time: Annotated[LeaseTime | None, Meta(examples=["24h"])] = None
    """What a machine gets at most that asks for more. Default: as in [dhcp]."""
    renewal: Annotated[LeaseTime | None, Meta(examples=["4h"])] = None
    """When a machine begins to ask us for more time (T1). Default: as in [dhcp]."""
    rebinding: Annotated[LeaseTime | None, Meta(examples=["7h"])] = None
    """When it begins to ask any server (T2). Default: as in [dhcp]."""
    authoritative: Annotated[bool | None, Meta(examples=[True])] = None
    """Whether to refuse at once what no lease of ours allows. Default: as in [dhcp]."""
    shared_network: Annotated[ClassName | None, Meta(examples=["floor-2"])] = None
    """Subnets of the same name are on the same wire: a machine may get an address of any of
    them."""
    options: Options = {}
    """Further DHCP options, by name as in RFC 2132 or by number. Values are numbers, texts,
    addresses, lists of them, or bytes such as "hex:0a0b0c"."""


class HostSettings(Struct, frozen=True, kw_only=True):
    """A machine that is known: what it always gets, or that it gets nothing."""

    name: Annotated[HostName, Meta(examples=["mac-17"])]
    """Its host name; it is told so. Must be unique."""
    mac: Annotated[MacAddress | None, Meta(examples=["00:16:cb:aa:bb:cc"])] = None
    """Its Ethernet address."""
    client_id: Annotated[Identifier | None, Meta(examples=["hex:01005e0001"])] = None
    """The client identifier that it sends (option 61). With `mac`, too, one of them will do."""
    circuit_id: Annotated[
        Identifier | None, Meta(examples=["ge-0/0/17"], extra={"instead of": "mac"})
    ] = None
    """Whatever machine is connected to this port of a relay (option 82, sub-option 1)."""
    remote_id: Annotated[
        Identifier | None, Meta(examples=["hex:0006001122334455"], extra={"instead of": "mac"})
    ] = None
    """Whatever machine is connected to this relay (option 82, sub-option 2). With `circuit_id`,
    too, both must be true."""
    address: Annotated[IPv4Address | None, Meta(examples=["10.0.0.17"])] = None
    """Its address, in a subnet and nobody else's. Default: one of a pool."""
    options: Options = {}
    """Options for this machine; they win over those of its class and its subnet."""
    boot: Annotated[EntryName | None, Meta(examples=["debian-installer"])] = None
    """Folder of the boot entry that it starts, if it is no Mac, whatever was chosen on it."""
    deny: bool = False
    """Never give it an address."""


class ClassSettings(Struct, frozen=True, kw_only=True):
    """Machines that have something in common. Whatever is set below must be true of a machine for
    it to be of the class."""

    name: Annotated[ClassName, Meta(examples=["lab"])]
    """What pools call it. Must be unique."""
    vendor_class: Annotated[Identifier | None, Meta(examples=["PXEClient"])] = None
    """How the vendor class that it sends begins (option 60)."""
    user_class: Annotated[Identifier | None, Meta(examples=["iPXE"])] = None
    """A user class that it sends (option 77)."""
    platforms: Annotated[tuple[str, ...], Meta(examples=[["bios", "uefi-x86-64"]])] = ()
    """One of these is its platform (option 93)."""
    mac: Annotated[MacPrefix | None, Meta(examples=["52:54:00"])] = None
    """How its Ethernet address begins."""
    circuit_id: Annotated[Identifier | None, Meta(examples=["ge-0/0/17"])] = None
    """The port of a relay that it is connected to (option 82, sub-option 1)."""
    remote_id: Annotated[Identifier | None, Meta(examples=["hex:0006001122334455"])] = None
    """The relay that it is connected to (option 82, sub-option 2)."""
    options: Options = {}
    """Options for these machines; they win over those of the subnet."""
    boot: Annotated[EntryName | None, Meta(examples=["debian-installer"])] = None
    """Folder of the boot entry that they start, if they are no Macs."""
    lease_time: Annotated[LeaseTime | None, Meta(examples=["30m"])] = None
    """How long they may keep an address, instead of what the subnet says."""


class DhcpSettings(Struct, frozen=True, kw_only=True):
    """The DHCP server, for networks that have no other."""

    enabled: bool = False
    """Lease addresses. Leave it off where another DHCP server does."""
    authoritative: bool = False
    """Refuse at once what no lease of ours allows, so that a machine from another network does not
    wait for its old address in vain. True where no other DHCP server is."""
    lease_time: LeaseTime = Duration(3600)
    """How long a machine may keep an address without asking again."""
    min_lease_time: Annotated[LeaseTime | None, Meta(examples=["10m"])] = None
    """What a machine gets at least that asks for less. Default: `lease_time`."""
    max_lease_time: Annotated[LeaseTime | None, Meta(examples=["24h"])] = None
    """What a machine gets at most that asks for more. Default: `lease_time`."""
    renewal: Annotated[LeaseTime | None, Meta(examples=["30m"])] = None
    """When a machine begins to ask us for more time (T1). Default: after half of its lease."""
    rebinding: Annotated[LeaseTime | None, Meta(examples=["50m"])] = None
    """When it begins to ask any server (T2). Default: after 7/8 of its lease."""
    dns: Annotated[Addresses | None, Meta(examples=[["10.0.0.2", "10.0.0.3"]])] = None
    """DNS servers of all subnets that name no others: an address, or a list."""
    domain: Annotated[DomainName | None, Meta(examples=["example.com"])] = None
    """Domain of the machines."""
    search: Annotated[tuple[DomainName, ...], Meta(examples=[["example.com"]])] = ()
    """Domains in which machines look up names without dots."""
    ntp: Annotated[Addresses | None, Meta(examples=["10.0.0.2"])] = None
    """Time servers: an address, or a list."""
    options: Options = {}
    """Options for all machines, by name as in RFC 2132 ("time-offset") or by number ("224"). What
    subnet, class and machine say wins, in this order. They are sent to who asks for them."""
    probe: Literal["auto", "arp", "icmp", "off"] = "auto"
    """How to find out whether somebody uses an address already that is about to be leased for the
    first time: by ARP on our own wires and by a ping behind relays, one of both, or not at all."""
    probe_time: Annotated[Duration, Meta(ge=0.05, le=5)] = Duration(0.5)
    """How long to wait for a sign of life."""
    offer_time: Annotated[Duration, Meta(ge=5, le=600)] = Duration(60)
    """How long an address is kept for a machine that it was offered to."""
    decline_time: Annotated[Duration, Meta(ge=10, le=604_800)] = Duration(3600)
    """How long an address is left alone after a machine said, or we found, that it is in use."""
    keep_time: Annotated[Duration, Meta(ge=0, le=31_536_000)] = Duration(2_592_000)
    """How long after its end a lease is remembered, so that the machine finds its address again."""
    ignore_client_identifier: bool = False
    """Know machines by their Ethernet address only. Firmware, installer and system then share one
    lease also where they send different client identifiers (option 61)."""
    bootp: bool = False
    """Lease addresses of pools to BOOTP machines, too: for ever, as they never ask again. Those
    with a [[dhcp.host]] are always answered."""
    known_only: bool = False
    """Lease only to machines with a [[dhcp.host]]."""
    allow: tuple[MacAddress, ...] = ()
    """If not empty, only these machines are answered: ["00:16:cb:aa:bb:cc", "0:16:cb:a:b:c"]."""
    deny: tuple[MacAddress, ...] = ()
    """These machines are never answered, even if `allow` has them."""
    subnets: tuple[SubnetSettings, ...] = field(default=(), name="subnet")
    """A network of clients, on an interface of ours or behind a relay."""
    hosts: tuple[HostSettings, ...] = field(default=(), name="host")
    """A machine that is known: what it always gets, or that it gets nothing."""
    classes: tuple[ClassSettings, ...] = field(default=(), name="class")
    """Machines that have something in common. All that is set must be true of a machine."""

    def __post_init__(self) -> None:
        if self.enabled and not self.subnets:
            remedy = "add a [[dhcp.subnet]] with `network` and `pools`, or set enabled = false"
            raise Invalid("subnet", "is missing", remedy)
        if self.subnets or self.hosts or self.classes or self.options:
            from netbootd.dhcp.plan import plan_of  # heavy, and not needed by who has none of them

            plan_of(self)
