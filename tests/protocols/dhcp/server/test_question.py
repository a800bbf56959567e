"""What the options of a message ask."""

from __future__ import annotations

import pytest

from protocols.dhcp.option import PADDING, RawOption
from protocols.dhcp.server.question import ask, question_of
from protocols.errors import DecodeError
from tests.protocols.dhcp.server.site import message, relayed


def test_nothing() -> None:
    """Without options, all is absent and the client takes what every client must."""
    question = ask([])

    assert question.type is None
    assert (question.requested, question.server, question.lease_time) == (None, None, None)
    assert (question.wanted, question.client_id, question.echo_bytes) == (b"", b"", b"")
    assert question.room == 548
    assert (question.is_relayed, question.auto_configure, question.may_boot) == (False,) * 3


def test_instances_are_joined() -> None:
    """Instances of one code are one value, in their order (RFC 3396); pads mean nothing."""
    question = ask([RawOption(55, b"\1\3"), PADDING, RawOption(12, b"mac"), RawOption(55, b"\6")])

    assert question.wanted == b"\1\3\6"
    assert question.host_name == "mac"


def test_overloaded_fields() -> None:
    """Options in `file` and `sname` count, where option 52 says that they hold some."""
    overloaded = message(
        None, RawOption(52, b"\3"), file=b"\x35\1\1\x0c\1a\xff", sname=b"\x0c\1b\xff"
    )

    question = question_of(overloaded)

    assert (question.type, question.host_name) == (1, "ab")


@pytest.mark.parametrize("code", [50, 53, 54])
@pytest.mark.parametrize("data", [b"", b"\1\2\3", b"\1\2\3\4\5"])
def test_malformed_decisions(code: int, data: bytes) -> None:
    """Message type, requested address and server are read or refused, never guessed."""
    with pytest.raises(DecodeError, match=f"option {code} at byte 240"):
        ask([RawOption(code, data)])


@pytest.mark.parametrize("code", [51, 57, 93, 77, 82, 118, 12, 61, 55])
def test_malformed_wishes(code: int) -> None:
    """What merely wishes for something counts as absent where it makes no sense."""
    question = ask([RawOption(code, b"")])

    assert question._replace(echo=(), echo_bytes=b"", is_relayed=False) == ask([])


def test_address_zero_is_none() -> None:
    """Clients that send 0.0.0.0 as requested address or server mean none."""
    question = ask([RawOption(50, bytes(4)), RawOption(54, bytes(4))])

    assert (question.requested, question.server) == (None, None)


def test_user_classes() -> None:
    """Framed classes count one by one; unframed ones, and a frame that is broken, as a whole."""
    assert ask([RawOption(77, b"\1a\2bc")]).user_classes == (b"a", b"bc", b"\1a\2bc")
    assert b"iPXE" in ask([RawOption(77, b"iPXE")]).user_classes
    assert ask([RawOption(77, bytes(5000))]).user_classes == (bytes(5000),)


def test_architectures() -> None:
    """Option 93 lists 16-bit numbers; an odd byte behind them is ignored."""
    assert ask([RawOption(93, b"\0\7\0\x10\0")]).architectures == (7, 16)


def test_relay_information() -> None:
    """The first sub-option of a code counts, and a malformed rest leaves what came before."""
    question = ask(
        [
            RawOption(
                82, relayed((1, b"a"), (1, b"b"), (2, b"c"), (11, b"\1\2\3\4")).data + b"\5\4\1"
            )
        ]
    )

    assert (question.circuit_id, question.remote_id) == (b"a", b"c")
    assert question.server_override == 0x01020304
    assert question.subnet is None
    assert question.is_relayed


def test_host_name_is_bounded_text() -> None:
    """A host name loses its NULs, keeps 255 bytes, and other than UTF-8 is replaced."""
    assert ask([RawOption(12, b"mac\0\0")]).host_name == "mac"
    assert ask([RawOption(12, b"m\xffc")]).host_name == "m\ufffdc"
    assert len(ask([RawOption(12, b"m" * 255), RawOption(12, b"m")]).host_name) == 255


@pytest.mark.parametrize(
    ("vendor_class", "may_boot"),
    [
        (b"PXEClient", True),
        (b"PXEClient:Arch:00000", True),
        (b"HTTPClient:Arch:00016:UNDI:003000", True),
        (b"udhcp 1.35", False),
        (b"AAPLBSDPC/i386/iMac14,2", False),
    ],
)
def test_boot_clients(vendor_class: bytes, may_boot: bool) -> None:
    """Who calls itself a PXE or HTTP client may boot from the network."""
    assert ask([RawOption(60, vendor_class)]).may_boot is may_boot
