"""The TFTP clients of the distribution against the daemon, each with the options it has."""

from __future__ import annotations

import hashlib

import pytest

from tests.interop.bundle import Bundle
from tests.interop.conftest import Lan
from tests.interop.daemon import Daemon

pytestmark = pytest.mark.interop

FOLDER = "NetBoot/NetBootSP0/Sierra.nbi/i386"
BOOTER = f"{FOLDER}/booter"
ROLLOVER = 65536 * 512 + 1000
"""Bytes: at 512 a block, the block number passes 65535."""


def fetch(lan: Lan, *command: str, output: str = "received", timeout: float = 60) -> bytes:
    """Run a client whose command names the file `output`; what it received."""
    lan.client.run(*command, timeout=timeout)
    return (lan.client.folder / output).read_bytes()


def hpa(lan: Lan, name: str, mode: str = "binary") -> bytes:
    return fetch(lan, "tftp", "-m", mode, lan.address, "-c", "get", name, "received")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(f"/private/tftpboot/{BOOTER}", id="as Apple's firmware asks"),
        pytest.param(BOOTER, id="relative"),
        pytest.param("Sierra.nbi/i386/booter", id="bundle"),
        pytest.param(f"/private/tftpboot/{BOOTER}".replace("/", "\\"), id="backslashes"),
    ],
)
def test_tftp_hpa(lan: Lan, daemon: Daemon, sierra: Bundle, name: str) -> None:
    """tftp-hpa gets the booter by each name that firmware uses."""
    assert hpa(lan, name) == sierra.read("i386/booter")


def test_tftp_hpa_netascii(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """A text file survives the translation to netascii and back."""
    text = f"{FOLDER}/com.apple.Boot.plist"

    assert hpa(lan, text, mode="netascii") == sierra.read("i386/com.apple.Boot.plist")


def test_atftp_with_all_options(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """atftp asks for four options, is granted all, and gets eight blocks an acknowledgement."""
    capture = lan.capture("udp")
    options = {"blksize": "1428", "tsize": "0", "timeout": "2", "windowsize": "8"}
    flags = [part for name, value in options.items() for part in ("--option", f"{name} {value}")]
    command = ("atftp", "--get", "--remote-file", BOOTER, "--local-file", "received")

    assert fetch(lan, *command, *flags, lan.address, "69") == sierra.read("i386/booter")

    (oack,) = capture.packets("tftp.opcode == 6")
    granted = dict(zip(oack.all("tftp.option.name"), oack.all("tftp.option.value"), strict=True))
    assert granted == {**options, "tsize": str(len(sierra.read("i386/booter")))}
    # Numbers, not packets: on a busy machine either side may have repeated itself.
    blocks = {data.one("tftp.block") for data in capture.packets("tftp.opcode == 3")}
    acknowledged = {ack.one("tftp.block") for ack in capture.packets("tftp.opcode == 4")}
    assert len(blocks) == len(sierra.read("i386/booter")) // 1428 + 1
    assert len(acknowledged) <= len(blocks) // 8 + 3  # one for the OACK, one for the last window
    assert capture.complaints() == ""


@pytest.mark.parametrize(
    "options", [(), ("--tftp-blksize", "1428"), ("--tftp-blksize", "8192"), ("--tftp-no-options",)]
)
def test_curl(lan: Lan, daemon: Daemon, sierra: Bundle, options: tuple[str, ...]) -> None:
    """curl gets the booter with its own options, with none, and with blocks larger than a frame."""
    capture = lan.capture("udp or ip[6:2] & 0x3fff != 0")
    url = f"tftp://{lan.address}//private/tftpboot/{BOOTER}"

    assert fetch(lan, "curl", "-sS", *options, "-o", "received", url) == sierra.read("i386/booter")

    assert capture.count("ip.flags.mf == 1 || ip.frag_offset > 0") == 0


def test_busybox(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """busybox tftp gets the booter in blocks that fill a frame."""
    command = ("busybox", "tftp", "-g", "-b", "1468", "-r", BOOTER, "-l", "received", lan.address)

    assert fetch(lan, *command) == sierra.read("i386/booter")


def test_block_numbers_that_roll_over(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """A kernel of more than 65535 blocks arrives whole."""
    data = bytes(range(251)) * (ROLLOVER // 251)
    (sierra.path / "i386/x86_64/kernelcache").write_bytes(data)

    received = hpa(lan, f"{FOLDER}/x86_64/kernelcache")

    assert hashlib.sha256(received).digest() == hashlib.sha256(data).digest()


def test_files_that_are_not_there(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """What is not in a published bundle is refused with an error, and nothing else."""
    for name in (f"{FOLDER}/nothing", "../server.toml", f"{FOLDER}/../../../../../server.toml"):
        done = lan.client.run(
            "tftp", "-m", "binary", lan.address, "-c", "get", name, "stolen", check=False
        )
        assert "Error code" in done.stdout + done.stderr
        assert not (lan.client.folder / "stolen").read_bytes()


def test_writing_is_refused(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """Nobody can put a file into a bundle."""
    (lan.client.folder / "mine").write_text("mine")

    done = lan.client.run(
        "tftp", "-m", "binary", lan.address, "-c", "put", "mine", BOOTER, check=False
    )

    assert "Error code" in done.stdout + done.stderr
    assert sierra.read("i386/booter") != b"mine"
