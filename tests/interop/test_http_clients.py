"""HTTP as download tools and disk image readers use it: whole, in ranges, resumed, at random."""

from __future__ import annotations

import io
import json
from email import message_from_bytes
from email.policy import HTTP

import pytest

from images.udzo import write_udzo_thd
from tests.interop.bundle import Bundle
from tests.interop.conftest import Lan
from tests.interop.daemon import Daemon
from tests.interop.peer import peer, peer_file

pytestmark = pytest.mark.interop

IMAGE = "NetInstall.dmg"


def url(lan: Lan, name: str = IMAGE) -> str:
    return f"http://{lan.address}/NetBoot/NetBootSP0/Sierra.nbi/{name}"


def curl(lan: Lan, *options: str, name: str = IMAGE) -> tuple[int, bytes, bytes]:
    """Status, header and body of what curl was given."""
    files = ("-D", "header", "-o", "body", "-w", "%{http_code}")
    done = lan.client.run("curl", "-sS", *files, *options, url(lan, name))
    folder = lan.client.folder
    body = (folder / "body").read_bytes() if (folder / "body").exists() else b""
    return int(done.stdout), (folder / "header").read_bytes(), body


def test_curl_whole_file(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """The image arrives whole, with its length announced."""
    status, header, body = curl(lan)

    assert status == 200
    assert body == sierra.read(IMAGE)
    assert f"Content-Length: {len(body)}".encode() in header
    assert b"Accept-Ranges: bytes" in header


@pytest.mark.parametrize(
    ("range", "start", "end"),
    [("0-511", 0, 512), ("100-199", 100, 200), ("3145000-", 3145000, None), ("-77", -77, None)],
)
def test_curl_range(
    lan: Lan, daemon: Daemon, sierra: Bundle, range: str, start: int, end: int | None
) -> None:
    """One range is answered with 206 and exactly those bytes."""
    status, header, body = curl(lan, "-r", range)

    assert status == 206
    assert body == sierra.read(IMAGE)[start:end]
    assert f"/{len(sierra.read(IMAGE))}".encode() in header  # Content-Range


def test_curl_several_ranges(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """Several ranges come as multipart/byteranges, which a MIME parser takes apart."""
    status, header, body = curl(lan, "-r", "0-1,10-11,-3")

    assert status == 206
    content_type = next(
        line for line in header.splitlines() if line.lower().startswith(b"content-type:")
    )
    message = message_from_bytes(content_type + b"\r\n\r\n" + body, policy=HTTP)
    parts = [part.get_payload(decode=True) for part in message.iter_parts()]
    whole = sierra.read(IMAGE)
    assert parts == [whole[:2], whole[10:12], whole[-3:]]


def test_curl_range_beyond_the_end(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """A range that starts behind the end is answered with 416."""
    status, header, _ = curl(lan, "-r", "999999999-")

    assert status == 416
    assert f"Content-Range: bytes */{len(sierra.read(IMAGE))}".encode() in header


def test_curl_http_1_0(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """A client of HTTP/1.0 gets the file, and the connection is closed after it."""
    status, _, body = curl(lan, "--http1.0")

    assert (status, body) == (200, sierra.read(IMAGE))


def test_curl_outside_of_a_bundle(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """No spelling of a path leads out of a bundle."""
    for name in ("../../../server.toml", "..%2f..%2f..%2fserver.toml", "%2e%2e/%2e%2e/state"):
        status, _, body = curl(lan, "--path-as-is", name=name)

        assert status in (400, 403, 404)
        assert b"share" not in body


def test_wget_resumes(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """wget continues a download that was cut off."""
    partial = lan.client.folder / IMAGE
    partial.write_bytes(sierra.read(IMAGE)[:1_000_000])

    done = lan.client.run("wget", "-c", "-nv", "-S", url(lan))

    assert partial.read_bytes() == sierra.read(IMAGE)
    assert "206 Partial Content" in done.stderr


def test_curl_resumes(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """curl continues a download that was cut off."""
    (lan.client.folder / "body").write_bytes(sierra.read(IMAGE)[:1_000_000])

    status, _, body = curl(lan, "-C", "-")

    assert (status, body) == (206, sierra.read(IMAGE))


def test_curl_keeps_what_is_still_good(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """With the tag or the date of its copy curl is told that it is still good; a new file comes."""
    curl(lan, "--etag-save", "tag")

    assert curl(lan, "--etag-compare", "tag")[0] == 304
    assert curl(lan, "-z", "body", "-R")[0] == 304
    (sierra.path / IMAGE).write_bytes(b"new")
    status, _, body = curl(lan, "--etag-compare", "tag")
    assert (status, body) == (200, b"new")


def test_aria2_in_pieces(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """aria2, which begins with a whole file, aborts it and asks for pieces, gets the file."""
    pieces = ("-x", "4", "-s", "4", "-k", "1M", "--file-allocation=none", "--no-conf")

    lan.client.run("aria2c", "-q", *pieces, "-o", "pieces", url(lan))

    assert (lan.client.folder / "pieces").read_bytes() == sierra.read(IMAGE)


def test_qemu_reads_at_random(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """QEMU's reads all over the image give its bytes."""
    whole = sierra.read(IMAGE)
    places = [(start * 7919 * 512) % (len(whole) - 8192) // 512 * 512 for start in range(40)]
    reads = [option for at in places for option in ("-c", f"read -v {at} 64")]

    done = lan.client.run("qemu-io", "-r", "-f", "raw", *reads, qemu_image(lan, "raw"))

    shown = bytes.fromhex(
        "".join(line[9:58] for line in done.stdout.splitlines() if line[8:10] == ": ")
    )
    assert shown == b"".join(whole[at : at + 64] for at in places)


@pytest.fixture
def disk(lan: Lan, sierra: Bundle) -> bytes:
    """The disk inside the bundle's image, which is made a compressed one (UDZO)."""
    disk = bytes(range(256)) * 4096 + bytes(1 << 20) + sierra.read(IMAGE)
    with (sierra.path / IMAGE).open("wb") as file:
        write_udzo_thd(io.BytesIO(disk), file)
    return disk


def qemu_image(lan: Lan, driver: str) -> str:
    """The image on the server, as QEMU's HTTP client and the `driver` of its format see it."""
    peer_file("/usr/lib/x86_64-linux-gnu/qemu/block-curl.so")
    source = {"driver": "http", "url": url(lan), "readahead": 65536, "timeout": 5}
    return "json:" + json.dumps({"driver": driver, "file": source})


def qemu_convert(lan: Lan, image: str) -> bytes:
    """The disk, as qemu-img copied it.

    One request at a time (`-m 1`): with several, QEMU 7.2 now and then waits for ever for what it
    has received; it does so with nginx, too.
    """
    lan.client.run("qemu-img", "convert", "-m", "1", "-O", "raw", image, "copy")
    return (lan.client.folder / "copy").read_bytes()


def test_qemu_reads_a_raw_image(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """QEMU copies a raw image through its HTTP driver."""
    assert qemu_convert(lan, qemu_image(lan, "raw")) == sierra.read(IMAGE)


def test_qemu_reads_a_compressed_image(lan: Lan, disk: bytes, daemon: Daemon) -> None:
    """QEMU finds trailer, tables and chunks of a compressed image in the file's far corners."""
    assert qemu_convert(lan, qemu_image(lan, "dmg")) == disk


def test_nbdkit_reads_a_compressed_image(lan: Lan, disk: bytes, daemon: Daemon) -> None:
    """nbdkit's curl plugin serves the image on as a block device, and QEMU unpacks it."""
    source = '{"driver":"dmg","file":{"driver":"nbd","path":"%s"}}'
    unpack = f"{peer('qemu-img')} convert -O raw \"$(printf 'json:{source}' $unixsocket)\" copy"

    lan.client.run("nbdkit", "-U", "-", "--run", unpack, "curl", f"url={url(lan)}")

    assert (lan.client.folder / "copy").read_bytes() == disk
