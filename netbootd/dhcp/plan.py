"""What the DHCP server works by, made of what the operator wrote.

    [dhcp] ──▶ plan_of ──▶ Plan (subnets, hosts, classes: values of protocols.dhcp.server)
                  └──▶ Invalid: the key that contradicts another, and what would be right

It must accept nothing that the server could not do, and change nothing without a word.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final, TypeVar

from netbootd.dhcp.lease_time import class_lease_times, lease_times
from netbootd.dhcp.option_text import OptionError, identifier_from, option_from
from netbootd.dhcp.settings import (
    Addresses,
    ClassSettings,
    DhcpSettings,
    HostSettings,
    Options,
    PoolSettings,
    SubnetSettings,
)
from ops.config import Invalid, join
from ops.setting import AddressRange
from ops.text import escape
from protocols.dhcp import registry
from protocols.dhcp.option import RawOption
from protocols.dhcp.registry import OptionType
from protocols.dhcp.server.plan import ClientClass, Host, Plan, Pool, Subnet
from protocols.dhcp.value import ClasslessRoute
from protocols.errors import EncodeError
from protocols.pxe.architecture import PLATFORMS, Architecture

T = TypeVar("T")

LEAST_PREFIX: Final = 8
"""10.0.0.0/8 is the largest network that anybody has."""

Span = tuple[int, int]
"""First and last address, as numbers."""


def plan_of(settings: DhcpSettings, *, ours: Collection[IPv4Address] = ()) -> Plan:
    """The plan that `settings` describe; `ours` are this computer's addresses, never leased.

    Raises Invalid, with keys relative to `[dhcp]`.
    """
    _check_names(settings)
    _check_networks(settings.subnets)
    hosts = _hosts(settings, ours)
    if settings.enabled and settings.known_only and not hosts:
        raise Invalid("known_only", "serves nobody", "add a [[dhcp.host]], or set it to false")
    fixed = {*ours, *(host.address for host in hosts if host.address is not None)}
    return Plan(
        subnets=tuple(
            _subnet(settings, subnet, f"subnet[{n}]", fixed)
            for n, subnet in enumerate(settings.subnets)
        ),
        hosts=hosts,
        classes=tuple(_class(each, f"class[{n}]") for n, each in enumerate(settings.classes)),
        options=_distinct(
            {
                **_named("", dns=settings.dns, ntp=settings.ntp),
                **_domains("", settings.domain, settings.search),
            },
            settings.options,
            "",
        ),
        ignore_client_identifier=settings.ignore_client_identifier,
        bootp=settings.bootp,
        known_only=settings.known_only,
        offer_hold=int(settings.offer_time),
        decline_hold=int(settings.decline_time),
    )


# What must be told apart.


def _check_names(settings: DhcpSettings) -> None:
    names = {
        "host": [host.name.lower() for host in settings.hosts],
        "class": [each.name for each in settings.classes],
    }
    for table, found in names.items():
        seen: set[str] = set()
        for n, name in enumerate(found):
            if name in seen:
                remedy = f"give each {table} a name of its own"
                raise Invalid(f"{table}[{n}].name", f'"{name}" is taken', remedy)
            seen.add(name)


def _check_networks(subnets: Sequence[SubnetSettings]) -> None:
    for n, subnet in enumerate(subnets):
        network = subnet.network
        if network.is_multicast or network.is_reserved or network.prefixlen < LEAST_PREFIX:
            problem = f"{network} is no network of machines"
            raise Invalid(f"subnet[{n}].network", problem, 'give one such as "192.168.1.0/24"')
        for other in subnets[:n]:
            if network.overlaps(other.network):
                problem = f"{network} overlaps {other.network}"
                raise Invalid(f"subnet[{n}].network", problem, "describe each network once")


# Subnets and their pools.


def _subnet(
    settings: DhcpSettings, subnet: SubnetSettings, path: str, fixed: Collection[IPv4Address]
) -> Subnet:
    network = subnet.network
    for key, address in _each("router", subnet.router):
        _require_host(f"{path}.{key}", address, network)
    for n, route in enumerate(subnet.routes):
        if int(route.router):  # 0.0.0.0: the destination is on this wire (RFC 3442)
            _require_host(f"{path}.routes[{n}]", route.router, network)
    used = {
        address
        for addresses in (subnet.router, subnet.dns, subnet.ntp)
        for _, address in _each("", addresses)
    }
    pools = [_range(pool) for pool in subnet.pools]
    for n, pool in enumerate(pools):
        _check_pool(f"{path}.pools[{n}]", pool, pools[:n], network)
    for n, excluded in enumerate(subnet.exclude):
        for address in (excluded.first, excluded.last):
            if address not in network:
                problem = f"{address} is not in {network}"
                raise Invalid(f"{path}.exclude[{n}]", problem, "name addresses of the pools")
    taken = sorted([*map(_span, subnet.exclude), *((int(a), int(a)) for a in {*fixed, *used})])
    return Subnet(
        network=network,
        pools=tuple(
            _pool(settings, pool, f"{path}.pools[{n}]", taken)
            for n, pool in enumerate(subnet.pools)
        ),
        options=_subnet_options(subnet, path),
        lease_times=lease_times(settings, subnet, path),
        shared_network=subnet.shared_network,
        authoritative=(
            settings.authoritative if subnet.authoritative is None else subnet.authoritative
        ),
    )


def _check_pool(
    path: str, pool: AddressRange, others: Sequence[AddressRange], network: IPv4Network
) -> None:
    _require_host(path, pool.first, network)
    _require_host(path, pool.last, network)
    for other in others:
        if pool.first <= other.last and other.first <= pool.last:
            raise Invalid(path, f"{pool} overlaps {other}", "give every address to one pool")


def _pool(
    settings: DhcpSettings, pool: AddressRange | PoolSettings, path: str, taken: Sequence[Span]
) -> Pool:
    classes = pool.classes if isinstance(pool, PoolSettings) else ()
    known = [each.name for each in settings.classes]
    for n, name in enumerate(classes):
        if name not in known:
            problem = f'"{name}" is no [[dhcp.class]]'
            raise Invalid(f"{path}.class[{n}]", problem, _meant(name, known, "add it"))
    ranges = tuple(_without(_span(_range(pool)), taken))
    if not ranges:
        problem = f"{_range(pool)} has no address that is free to lease"
        raise Invalid(path, problem, "give it more, or take it away")
    return Pool(ranges=ranges, classes=frozenset(classes))


def _range(pool: AddressRange | PoolSettings) -> AddressRange:
    return pool.range if isinstance(pool, PoolSettings) else pool


def _span(addresses: AddressRange) -> Span:
    return int(addresses.first), int(addresses.last)


def _without(span: Span, taken: Sequence[Span]) -> Iterator[Span]:
    """What is left of `span`; `taken` is in order."""
    first, last = span
    for start, end in taken:
        if end < first or start > last:
            continue
        if start > first:
            yield first, start - 1
        first = end + 1
    if first <= last:
        yield first, last


def _require_host(key: str, address: IPv4Address, network: IPv4Network) -> None:
    if address not in network:
        raise Invalid(key, f"{address} is not in {network}", "give an address of the subnet")
    edges = (network.network_address, network.broadcast_address)
    if network.prefixlen < 31 and address in edges:  # RFC 3021
        what = "broadcast" if address == edges[1] else "network"
        problem = f"{address} is the {what} address of {network}"
        raise Invalid(key, problem, f"addresses of machines are {edges[0] + 1}-{edges[1] - 1}")


# Machines.


def _hosts(settings: DhcpSettings, ours: Collection[IPv4Address]) -> tuple[Host, ...]:
    networks = [subnet.network for subnet in settings.subnets]
    hosts = []
    seen: dict[object, list[tuple[str, IPv4Network | None]]] = {}
    addresses: dict[IPv4Address, str] = {}
    routers = {router for one in settings.subnets for _, router in _each("", one.router)}
    not_theirs = dict.fromkeys(routers, "a router") | dict.fromkeys(ours, "this computer")
    for n, host in enumerate(settings.hosts):
        path = f"host[{n}]"
        home = _home(host, path, networks, addresses)
        if host.address in not_theirs:
            problem = f"{host.address} is the address of {not_theirs[host.address]}"
            raise Invalid(f"{path}.address", problem, "give the machine another")
        for key, identity in _identities(host, path):
            others = seen.setdefault(identity, [])
            for name, network in others:
                if home is None or network is None or home == network:
                    remedy = "describe a machine once, or once for each subnet with its address"
                    raise Invalid(f"{path}.{key}", f'is that of host "{name}"', remedy)
            others.append((host.name, home))
        hosts.append(_host(host, path))
    return tuple(hosts)


def _home(
    host: HostSettings,
    path: str,
    networks: Sequence[IPv4Network],
    addresses: dict[IPv4Address, str],
) -> IPv4Network | None:
    """The subnet of the address that is reserved for `host`; enters it in `addresses`."""
    address = host.address
    if address is None:
        return None
    if host.deny:
        remedy = "take the address away, or set deny = false"
        raise Invalid(f"{path}.address", "is reserved for a machine that gets none", remedy)
    home = next((network for network in networks if address in network), None)
    if home is None:
        remedy = "give one of a [[dhcp.subnet]], or describe its subnet"
        raise Invalid(f"{path}.address", f"{address} is in no subnet", remedy)
    _require_host(f"{path}.address", address, home)
    other = addresses.setdefault(address, host.name)
    if other != host.name:
        problem = f'{address} is reserved for host "{other}"'
        raise Invalid(f"{path}.address", problem, "give each machine an address of its own")
    return home


def _identities(host: HostSettings, path: str) -> list[tuple[str, object]]:
    """By what `host` is known: keys, and values that no other may have."""
    found: list[tuple[str, object]] = []
    if host.mac is not None:
        found.append(("mac", ("mac", host.mac)))
    if host.client_id is not None:
        found.append(("client_id", ("client_id", identifier_from(host.client_id))))
    if host.circuit_id is not None or host.remote_id is not None:
        key = "remote_id" if host.circuit_id is None else "circuit_id"
        port = (_bytes_of(host.circuit_id), _bytes_of(host.remote_id))
        found.append((key, port))
        if len(found) > 1:
            remedy = "take it away, or `mac` and `client_id`"
            raise Invalid(f"{path}.{key}", "cannot be said beside what machine it is", remedy)
    if not found:
        remedy = "set mac, client_id, circuit_id or remote_id"
        raise Invalid(path, "does not say which machine it is", remedy)
    return found


def _host(host: HostSettings, path: str) -> Host:
    return Host(
        name=host.name,
        hardware=None if host.mac is None else bytes(host.mac),
        client_id=_bytes_of(host.client_id),
        circuit_id=_bytes_of(host.circuit_id),
        remote_id=_bytes_of(host.remote_id),
        address=host.address,
        host_name=host.name,
        options=_distinct({}, host.options, path),
        boot=host.boot,
        denied=host.deny,
    )


def _class(each: ClassSettings, path: str) -> ClientClass:
    for n, name in enumerate(each.platforms):
        if name not in PLATFORMS:
            spelt = name.replace("x64", "x86-64")
            remedy = _meant(spelt, PLATFORMS, f"platforms are {', '.join(sorted(PLATFORMS))}")
            raise Invalid(f"{path}.platforms[{n}]", f'"{escape(name, 60)}" is no platform', remedy)
    marks = (each.vendor_class, each.user_class, each.mac, each.circuit_id, each.remote_id)
    if not each.platforms and not any(marks):
        remedy = "set vendor_class, user_class, platforms, mac, circuit_id or remote_id"
        raise Invalid(path, "does not say which machines it has", remedy)
    return ClientClass(
        name=each.name,
        vendor_class=_bytes_of(each.vendor_class),
        user_class=_bytes_of(each.user_class),
        architectures=frozenset(a.value for a in Architecture if a.platform in each.platforms),
        hardware_prefix=None if each.mac is None else bytes.fromhex(each.mac.replace(":", "")),
        circuit_id=_bytes_of(each.circuit_id),
        remote_id=_bytes_of(each.remote_id),
        options=_distinct({}, each.options, path),
        boot=each.boot,
        lease_times=class_lease_times(each),
    )


def _bytes_of(text: str | None) -> bytes | None:
    return None if text is None else identifier_from(text)


# Options.


def _subnet_options(subnet: SubnetSettings, path: str) -> tuple[RawOption, ...]:
    given = {
        **_named(path, router=subnet.router, dns=subnet.dns, ntp=subnet.ntp),
        **_domains(path, subnet.domain, subnet.search),
    }
    if subnet.routes:
        routes = [
            ClasslessRoute(destination=route.destination, router=route.router)
            for route in subnet.routes
        ]
        given["routes"] = _of(registry.CLASSLESS_ROUTES, tuple(routes), path, "routes")
    return _distinct(given, subnet.options, path)


def _named(path: str, **addresses: Addresses | None) -> dict[str, RawOption]:
    """Options that have settings of their own, by the name of the setting."""
    kinds: dict[str, OptionType[Any]] = {
        "router": registry.ROUTER,
        "dns": registry.DOMAIN_NAME_SERVER,
        "ntp": registry.NTP_SERVER,
    }
    return {
        key: _of(kinds[key], tuple(address for _, address in _each(key, value)), path, key)
        for key, value in addresses.items()
        if _each(key, value)
    }


def _domains(path: str, domain: str | None, search: tuple[str, ...]) -> dict[str, RawOption]:
    found = {}
    if domain is not None:
        found["domain"] = _of(registry.DOMAIN_NAME, domain, path, "domain")
    if search:
        found["search"] = _of(registry.DOMAIN_SEARCH, search, path, "search")
    return found


def _of(kind: OptionType[T], value: T, path: str, key: str) -> RawOption:
    """The option that the setting `key` is about."""
    try:
        return kind.of(value)
    except EncodeError:
        where = f"{path}.{key}" if path else key
        raise Invalid(where, "is more than an option can hold", "give less") from None


def _distinct(given: dict[str, RawOption], options: Options, path: str) -> tuple[RawOption, ...]:
    """The options in `given` and those written out in `options`, each once."""
    by_code = {option.code: (f"`{key}`", option) for key, option in given.items()}
    for name, value in options.items():
        key = join(f"{path}.options" if path else "options", name)
        try:
            option = option_from(name, value)
        except OptionError as error:
            raise Invalid(key, error.problem, error.remedy) from None
        if option.code in by_code:
            problem = f"is option {option.code}, which {by_code[option.code][0]} gives already"
            raise Invalid(key, problem, "give it once")
        by_code[option.code] = (f'"{name}"', option)
    return tuple(option for _, option in by_code.values())


def _each(key: str, addresses: Addresses | None) -> list[tuple[str, IPv4Address]]:
    """One address or a list of them, with their keys."""
    if addresses is None:
        return []
    if isinstance(addresses, IPv4Address):
        return [(key, addresses)]
    return [(f"{key}[{n}]", address) for n, address in enumerate(addresses)]


def _meant(name: str, known: Collection[str], otherwise: str) -> str:
    close = difflib.get_close_matches(name[:60], known, n=1)
    return f'did you mean "{close[0]}"?' if close else otherwise
