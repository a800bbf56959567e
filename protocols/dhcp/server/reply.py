"""The options of a reply: whose they are, in which order, and which are left out for want of room.

    53 54 51 1 (58 59 if set), boot parameters │ what option 55 asks for, in its order │ 118 61 │ 82

A later layer wins: what the server knows itself, global, subnet, pool, classes, host, boot
parameters. Options that are asked for fall out, the least wanted first, where the client's message
size (option 57) ends; no reply uses overload (option 52), which boot ROMs do not read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from protocols.dhcp import registry
from protocols.dhcp.boot import BootParameters
from protocols.dhcp.message import OPTIONS_OFFSET
from protocols.dhcp.option import INSTANCE_LIMIT, RawOption
from protocols.dhcp.server.plan import INFINITE, ClientClass, Host, LeaseTimes, Plan, Pool, Subnet
from protocols.dhcp.value import MessageType

BOOTP_ROOM: Final = 300
"""A BOOTP reply is that long (RFC 951 §3): 64 bytes of options, cookie and end among them."""

_SUBNET_MASK, _ROUTER, _AUTO_CONFIGURE, _ROUTES = 1, 3, 116, 121
_LEASE_TIMERS: Final = (58, 59)
_END_SIZE: Final = 1

Layers = dict[int, tuple[RawOption, ...]]


class Terms(NamedTuple):
    """What the options of a reply depend on, echoes apart."""

    type: MessageType | None
    """None: a BOOTP reply."""
    server: int
    """The server identifier."""
    seconds: int | None
    """The lease time; None: no lease goes with it."""
    times: LeaseTimes
    subnet: Subnet
    pool: Pool | None
    host: Host | None
    """None too for a host without options of its own: many machines then share a reply."""
    classes: tuple[ClientClass, ...]
    wanted: bytes
    """Option 55 of the request."""
    room: int
    """Bytes for the payload, less the echoed options."""
    auto_configure: bool = False
    boot: BootParameters | None = None
    error: str = ""
    """Why this is a NAK, which carries nothing else."""


def option_list(plan: Plan, terms: Terms) -> list[RawOption]:
    """The options of a reply, those aside that are echoed behind them."""
    if terms.error:
        return [*_head(terms), registry.ERROR_MESSAGE.of(terms.error)]
    layers = _layers(plan, terms)
    forced = [_SUBNET_MASK]
    if terms.times.sets_timers:
        forced += _LEASE_TIMERS
    if terms.auto_configure:
        forced.append(_AUTO_CONFIGURE)
    if terms.boot:
        forced += [code for code, _ in terms.boot.options]
    wanted = terms.wanted or bytes(sorted(layers))
    if _ROUTES in wanted:
        _add_default_route(layers)
    chosen = _head(terms)
    left = terms.room - OPTIONS_OFFSET - _END_SIZE - size_of(chosen)
    for code in dict.fromkeys((*forced, *wanted)):
        options = layers.get(code, ())
        size = size_of(options)
        if options and size <= left:
            left -= size
            chosen += options
    return chosen


def size_of(options: Iterable[RawOption]) -> int:
    """The bytes that `options` take when written; long ones are cut into instances."""
    return sum(len(data) + 2 * max(1, -(-len(data) // INSTANCE_LIMIT)) for _, data in options)


def _head(terms: Terms) -> list[RawOption]:
    """What a client must know to take the reply for one."""
    if terms.type is None:
        return []
    server = RawOption(registry.SERVER_IDENTIFIER.code, terms.server.to_bytes(4, "big"))
    head = [registry.MESSAGE_TYPE.of(terms.type), server]
    if terms.seconds is not None:
        head.append(registry.LEASE_TIME.of(terms.seconds))
    return head


def _layers(plan: Plan, terms: Terms) -> Layers:
    layers = _built_in(terms)
    _lay(layers, plan.options)
    _lay(layers, terms.subnet.options)
    if terms.pool is not None:
        _lay(layers, terms.pool.options)
    for each in reversed(terms.classes):
        _lay(layers, each.options)
    if terms.host is not None:
        if terms.host.host_name:
            _lay(layers, [registry.HOST_NAME.of(terms.host.host_name)])
        _lay(layers, terms.host.options)
    if terms.boot is not None:
        _lay(layers, terms.boot.options)
    return layers


def _lay(layers: Layers, options: Iterable[RawOption]) -> None:
    """Put `options` on top: all instances of a code take the place of all of a lower layer."""
    fresh: Layers = {}
    for option in options:
        fresh[option.code] = (*fresh.get(option.code, ()), option)
    layers.update(fresh)


def _built_in(terms: Terms) -> Layers:
    """What the server knows itself (RFC 2131 §4.3.1, table 3)."""
    network = terms.subnet.network
    options = [registry.SUBNET_MASK.of(network.netmask)]
    if network.prefixlen < 31:
        options.append(registry.BROADCAST_ADDRESS.of(network.broadcast_address))
    if terms.seconds is not None and terms.seconds != INFINITE and terms.type is not None:
        renewal, rebinding = terms.times.timers(terms.seconds)
        options += [registry.RENEWAL_TIME.of(renewal), registry.REBINDING_TIME.of(rebinding)]
    return {option.code: (option,) for option in options}


def _add_default_route(layers: Layers) -> None:
    """Repeat the first router among the classless routes, which clients take in its place.

    A client that is told routes ignores option 3 (RFC 3442, "DHCP Client Behavior"), so that it
    would lose its default route where the routes do not have one.
    """
    routes = b"".join(data for _, data in layers.get(_ROUTES, ()))
    router = b"".join(data for _, data in layers.get(_ROUTER, ()))[:4]
    if not routes or not router:
        return
    at = 0
    while at < len(routes):
        if not routes[at]:
            return
        at += 1 + (routes[at] + 7) // 8 + len(router)
    layers[_ROUTES] = (RawOption(_ROUTES, routes + b"\0" + router),)
