"""scapy, a DHCP implementation of its own, builds what we decode and decodes what we build."""

from __future__ import annotations

import warnings
from ipaddress import IPv4Address

from protocols.dhcp import registry as r
from protocols.dhcp.codec import decode, encode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.value import ClientIdentifier, MessageType

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # scapy imports ciphers that cryptography means to drop
    from scapy.layers.dhcp import BOOTP, DHCP

MAC = bytes.fromhex("020000000001")


def test_message_built_by_scapy() -> None:
    """Fields and options have the values that scapy was given."""
    data = bytes(
        BOOTP(
            op=1,
            xid=0x01020304,
            secs=7,
            flags=0x8000,
            ciaddr="10.0.0.5",
            giaddr="10.0.9.1",
            chaddr=MAC,
        )
        / DHCP(
            options=[
                ("message-type", "request"),
                ("requested_addr", "10.0.0.6"),
                ("lease_time", 3600),
                ("param_req_list", [1, 3, 6]),
                ("max_dhcp_size", 1500),
                ("client_id", b"\x01" + MAC),
                ("hostname", b"mac-7"),
                ("router", "10.0.0.1", "10.0.0.2"),
                "end",
            ]
        )
    )

    message = decode(data)

    assert (message.op, message.xid, message.secs, message.broadcast) == (1, 0x01020304, 7, True)
    assert message.ciaddr == IPv4Address("10.0.0.5")
    assert message.giaddr == IPv4Address("10.0.9.1")
    assert message.hardware_address == MAC
    assert message.value(r.MESSAGE_TYPE) is MessageType.REQUEST
    assert message.value(r.REQUESTED_ADDRESS) == IPv4Address("10.0.0.6")
    assert message.value(r.LEASE_TIME) == 3600
    assert message.value(r.PARAMETER_REQUEST_LIST) == (1, 3, 6)
    assert message.value(r.MAXIMUM_MESSAGE_SIZE) == 1500
    assert message.value(r.CLIENT_IDENTIFIER) == ClientIdentifier(type=1, identifier=MAC)
    assert message.value(r.HOST_NAME) == "mac-7"
    assert message.value(r.ROUTER) == (IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2"))


def test_message_decoded_by_scapy() -> None:
    """scapy reads from our bytes the values that we wrote."""
    message = DhcpMessage(
        op=2,
        xid=0x01020304,
        yiaddr=IPv4Address("10.0.0.6"),
        siaddr=IPv4Address("10.0.0.1"),
        chaddr=MAC,
        sname=b"srv",
        file=b"booter",
        options=(
            r.MESSAGE_TYPE.of(MessageType.ACK),
            r.SERVER_IDENTIFIER.of(IPv4Address("10.0.0.1")),
            r.LEASE_TIME.of(3600),
            r.SUBNET_MASK.of(IPv4Address("255.255.255.0")),
            r.ROUTER.of((IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2"))),
            r.DOMAIN_NAME.of("example.org"),
            r.CLASS_IDENTIFIER.of(b"AAPLBSDPC"),
        ),
    )

    found = BOOTP(encode(message))

    assert (found.op, found.xid, found.yiaddr, found.siaddr) == (
        2,
        0x01020304,
        "10.0.0.6",
        "10.0.0.1",
    )
    assert (found.sname.rstrip(b"\0"), found.file.rstrip(b"\0")) == (b"srv", b"booter")
    assert found[DHCP].options[:8] == [
        ("message-type", 5),
        ("server_id", "10.0.0.1"),
        ("lease_time", 3600),
        ("subnet_mask", "255.255.255.0"),
        ("router", "10.0.0.1", "10.0.0.2"),
        ("domain", b"example.org"),
        ("vendor_class_id", b"AAPLBSDPC"),
        "end",
    ]
