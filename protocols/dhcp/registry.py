"""The options by name: code, what the RFC calls it, and the type of its value.

    message.value(SERVER_IDENTIFIER)      # IPv4Address, None, or DecodeError
    MESSAGE_TYPE.of(MessageType.ACK)      # RawOption(53, b"\\x05")

Definitions only. An option that is not here is not an error: it stays a `RawOption`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from protocols.dhcp import formats
from protocols.dhcp.layout import Layout
from protocols.dhcp.option import RawOption

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OptionType(Generic[T]):
    """An option or a sub-option: its code, its name in the RFC, and how its value is laid out."""

    code: int
    name: str
    layout: Layout[T]
    within: str = "option"

    def __str__(self) -> str:
        return f"{self.within} {self.code} ({self.name})"

    def decode(self, data: bytes) -> T:
        """The value of `data`; DecodeError counts its offset from the start of `data`."""
        return self.layout.decode(data, self)

    def encode(self, value: T) -> bytes:
        """The bytes of `value`, however many; EncodeError if the option cannot say it."""
        return self.layout.encode(value, self)

    def of(self, value: T) -> RawOption:
        """`value` as an instance to put into a message, which splits it where it is too long."""
        return RawOption(self.code, self.encode(value))


# RFC 2132 §3: vendor extensions of RFC 1497
SUBNET_MASK: Final = OptionType(1, "subnet mask", formats.ADDRESS)
TIME_OFFSET: Final = OptionType(2, "time offset", formats.INT32)
ROUTER: Final = OptionType(3, "router", formats.ADDRESSES)
TIME_SERVER: Final = OptionType(4, "time server", formats.ADDRESSES)
NAME_SERVER: Final = OptionType(5, "name server", formats.ADDRESSES)
DOMAIN_NAME_SERVER: Final = OptionType(6, "domain name server", formats.ADDRESSES)
LOG_SERVER: Final = OptionType(7, "log server", formats.ADDRESSES)
COOKIE_SERVER: Final = OptionType(8, "cookie server", formats.ADDRESSES)
LPR_SERVER: Final = OptionType(9, "LPR server", formats.ADDRESSES)
IMPRESS_SERVER: Final = OptionType(10, "Impress server", formats.ADDRESSES)
RESOURCE_LOCATION_SERVER: Final = OptionType(11, "resource location server", formats.ADDRESSES)
HOST_NAME: Final = OptionType(12, "host name", formats.TEXT)
BOOT_FILE_SIZE: Final = OptionType(13, "boot file size", formats.UINT16)
MERIT_DUMP_FILE: Final = OptionType(14, "merit dump file", formats.TEXT)
DOMAIN_NAME: Final = OptionType(15, "domain name", formats.TEXT)
SWAP_SERVER: Final = OptionType(16, "swap server", formats.ADDRESS)
ROOT_PATH: Final = OptionType(17, "root path", formats.TEXT)
EXTENSIONS_PATH: Final = OptionType(18, "extensions path", formats.TEXT)

# RFC 2132 §4 and §5: the IP layer, per host and per interface
IP_FORWARDING: Final = OptionType(19, "IP forwarding", formats.FLAG)
NON_LOCAL_SOURCE_ROUTING: Final = OptionType(20, "non-local source routing", formats.FLAG)
POLICY_FILTER: Final = OptionType(21, "policy filter", formats.ADDRESS_PAIRS)
MAXIMUM_REASSEMBLY_SIZE: Final = OptionType(22, "maximum datagram reassembly", formats.UINT16)
DEFAULT_IP_TTL: Final = OptionType(23, "default IP time-to-live", formats.UINT8)
PATH_MTU_AGING_TIMEOUT: Final = OptionType(24, "path MTU aging timeout", formats.UINT32)
PATH_MTU_PLATEAU_TABLE: Final = OptionType(25, "path MTU plateau table", formats.UINT16S)
INTERFACE_MTU: Final = OptionType(26, "interface MTU", formats.UINT16)
ALL_SUBNETS_ARE_LOCAL: Final = OptionType(27, "all subnets are local", formats.FLAG)
BROADCAST_ADDRESS: Final = OptionType(28, "broadcast address", formats.ADDRESS)
PERFORM_MASK_DISCOVERY: Final = OptionType(29, "perform mask discovery", formats.FLAG)
MASK_SUPPLIER: Final = OptionType(30, "mask supplier", formats.FLAG)
PERFORM_ROUTER_DISCOVERY: Final = OptionType(31, "perform router discovery", formats.FLAG)
ROUTER_SOLICITATION_ADDRESS: Final = OptionType(32, "router solicitation", formats.ADDRESS)
STATIC_ROUTE: Final = OptionType(33, "static route", formats.ADDRESS_PAIRS)

# RFC 2132 §6 and §7: link layer and TCP
TRAILER_ENCAPSULATION: Final = OptionType(34, "trailer encapsulation", formats.FLAG)
ARP_CACHE_TIMEOUT: Final = OptionType(35, "ARP cache timeout", formats.UINT32)
ETHERNET_ENCAPSULATION: Final = OptionType(36, "Ethernet encapsulation", formats.FLAG)
TCP_DEFAULT_TTL: Final = OptionType(37, "TCP default TTL", formats.UINT8)
TCP_KEEPALIVE_INTERVAL: Final = OptionType(38, "TCP keepalive interval", formats.UINT32)
TCP_KEEPALIVE_GARBAGE: Final = OptionType(39, "TCP keepalive garbage", formats.FLAG)

# RFC 2132 §8: applications and services
NIS_DOMAIN: Final = OptionType(40, "NIS domain", formats.TEXT)
NIS_SERVER: Final = OptionType(41, "NIS server", formats.ADDRESSES)
NTP_SERVER: Final = OptionType(42, "NTP server", formats.ADDRESSES)
VENDOR_SPECIFIC: Final = OptionType(43, "vendor-specific information", formats.OPAQUE)
NETBIOS_NAME_SERVER: Final = OptionType(44, "NetBIOS name server", formats.ADDRESSES)
NETBIOS_DATAGRAM_SERVER: Final = OptionType(45, "NetBIOS datagram server", formats.ADDRESSES)
NETBIOS_NODE_TYPE: Final = OptionType(46, "NetBIOS node type", formats.UINT8)
NETBIOS_SCOPE: Final = OptionType(47, "NetBIOS scope", formats.OPAQUE)
X_FONT_SERVER: Final = OptionType(48, "X Window System font server", formats.ADDRESSES)
X_DISPLAY_MANAGER: Final = OptionType(49, "X Window System display manager", formats.ADDRESSES)
NIS_PLUS_DOMAIN: Final = OptionType(64, "NIS+ domain", formats.TEXT)
NIS_PLUS_SERVER: Final = OptionType(65, "NIS+ server", formats.ADDRESSES)
MOBILE_IP_HOME_AGENT: Final = OptionType(68, "mobile IP home agent", formats.ADDRESSES_IF_ANY)
SMTP_SERVER: Final = OptionType(69, "SMTP server", formats.ADDRESSES)
POP3_SERVER: Final = OptionType(70, "POP3 server", formats.ADDRESSES)
NNTP_SERVER: Final = OptionType(71, "NNTP server", formats.ADDRESSES)
WWW_SERVER: Final = OptionType(72, "WWW server", formats.ADDRESSES)
FINGER_SERVER: Final = OptionType(73, "finger server", formats.ADDRESSES)
IRC_SERVER: Final = OptionType(74, "IRC server", formats.ADDRESSES)
STREETTALK_SERVER: Final = OptionType(75, "StreetTalk server", formats.ADDRESSES)
STDA_SERVER: Final = OptionType(76, "STDA server", formats.ADDRESSES)

# RFC 2132 §9: DHCP itself
REQUESTED_ADDRESS: Final = OptionType(50, "requested IP address", formats.ADDRESS)
LEASE_TIME: Final = OptionType(51, "IP address lease time", formats.UINT32)
OVERLOAD: Final = OptionType(52, "option overload", formats.OVERLOAD)
MESSAGE_TYPE: Final = OptionType(53, "DHCP message type", formats.MESSAGE_TYPE)
SERVER_IDENTIFIER: Final = OptionType(54, "server identifier", formats.ADDRESS)
PARAMETER_REQUEST_LIST: Final = OptionType(55, "parameter request list", formats.UINT8S)
ERROR_MESSAGE: Final = OptionType(56, "message", formats.TEXT)
MAXIMUM_MESSAGE_SIZE: Final = OptionType(57, "maximum DHCP message size", formats.UINT16)
RENEWAL_TIME: Final = OptionType(58, "renewal (T1) time", formats.UINT32)
REBINDING_TIME: Final = OptionType(59, "rebinding (T2) time", formats.UINT32)
CLASS_IDENTIFIER: Final = OptionType(60, "vendor class identifier", formats.OPAQUE)
CLIENT_IDENTIFIER: Final = OptionType(61, "client identifier", formats.CLIENT_IDENTIFIER)
TFTP_SERVER_NAME: Final = OptionType(66, "TFTP server name", formats.TEXT)
BOOT_FILE_NAME: Final = OptionType(67, "boot file name", formats.TEXT)

# Later documents
USER_CLASS: Final = OptionType(77, "user class", formats.USER_CLASS)  # RFC 3004
RELAY_AGENT_INFORMATION: Final = OptionType(  # RFC 3046
    82, "relay agent information", formats.RELAY_AGENT_INFORMATION
)
CLIENT_ARCHITECTURE: Final = OptionType(93, "client architecture", formats.UINT16S)  # RFC 4578
CLIENT_INTERFACE: Final = OptionType(  # RFC 4578
    94, "client network interface", formats.NETWORK_INTERFACE
)
CLIENT_MACHINE: Final = OptionType(97, "client machine identifier", formats.MACHINE_UUID)
AUTO_CONFIGURE: Final = OptionType(116, "auto-configure", formats.FLAG)  # RFC 2563
SUBNET_SELECTION: Final = OptionType(118, "subnet selection", formats.ADDRESS)  # RFC 3011
DOMAIN_SEARCH: Final = OptionType(119, "domain search", formats.DOMAINS)  # RFC 3397
CLASSLESS_ROUTES: Final = OptionType(121, "classless static routes", formats.ROUTES)  # RFC 3442

OPTIONS: Final = {
    kind.code: kind for kind in list(globals().values()) if isinstance(kind, OptionType)
}
"""All of the above by code, for who prints a message."""

# Sub-options of option 82
_RELAY: Final = "relay agent sub-option"
CIRCUIT_ID: Final = OptionType(1, "circuit id", formats.OPAQUE, _RELAY)  # RFC 3046
REMOTE_ID: Final = OptionType(2, "remote id", formats.OPAQUE, _RELAY)  # RFC 3046
DEVICE_CLASS: Final = OptionType(4, "DOCSIS device class", formats.UINT32, _RELAY)  # RFC 3256
LINK_SELECTION: Final = OptionType(5, "link selection", formats.ADDRESS, _RELAY)  # RFC 3527
SUBSCRIBER_ID: Final = OptionType(6, "subscriber id", formats.TEXT, _RELAY)  # RFC 3993
RELAY_FLAGS: Final = OptionType(10, "relay agent flags", formats.UINT8, _RELAY)  # RFC 5010
SERVER_IDENTIFIER_OVERRIDE: Final = OptionType(  # RFC 5107
    11, "server identifier override", formats.ADDRESS, _RELAY
)
RELAY_AGENT_ID: Final = OptionType(12, "relay agent identifier", formats.OPAQUE, _RELAY)  # RFC 6925
