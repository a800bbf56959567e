"""Bytes in, responses out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.paths import OpenFile, PathRefused, Refusal
from netbootd.http.byterange import byte_spans
from netbootd.http.conversation import Conversation
from netbootd.http.limit import Limits
from netbootd.http.site import Site
from ops.counter import Counters
from tests.netbootd.http.site import (
    BOUNDARY,
    FOLDER,
    IMAGE,
    Answer,
    Observer,
    Place,
    answers,
    rendered,
    told,
)

DISK = bytes(i * 7 % 251 for i in range(10000))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A bundle whose image is DISK, last changed a day ago."""
    place = Place(tmp_path, files={"NetInstall.dmg": DISK})
    yesterday = place.utc - 86400
    os.utime(place.bundle / "NetInstall.dmg", (yesterday, yesterday))
    return place


@pytest.fixture
def conversation(place: Place) -> Conversation:
    return Conversation(place.site, "10.0.0.9")


def ask(*fields: str, target: bytes = IMAGE, method: str = "GET", version: str = "1.1") -> bytes:
    """A request."""
    lines = [b"%b %b HTTP/%b" % (method.encode(), target, version.encode()), b"Host: boot"]
    return b"\r\n".join([*lines, *(field.encode() for field in fields), b"", b""])


def test_whole_file(place: Place, conversation: Conversation) -> None:
    """A GET is answered by the whole file and all that describes it."""
    wire = told(conversation, ask())

    status = (place.bundle / "NetInstall.dmg").stat()
    tag = f'"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"'
    assert wire == (
        b"HTTP/1.1 200 OK\r\n"
        b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        b"Server: netbootd\r\n"
        b"Content-Type: application/x-apple-diskimage\r\n"
        b"Accept-Ranges: bytes\r\n"
        b"ETag: " + tag.encode() + b"\r\n"
        b"Last-Modified: Sat, 05 Nov 1994 08:49:37 GMT\r\n"
        b"Content-Length: 10000\r\n"
        b"\r\n" + DISK
    )


def test_head(conversation: Conversation) -> None:
    """HEAD is answered by the head that GET has, to the byte, and never by content."""
    whole = told(conversation, ask())

    assert told(conversation, ask(method="HEAD")) == whole[: -len(DISK)]
    assert told(conversation, ask("Range: bytes=0-1", method="HEAD")) == whole[: -len(DISK)]
    assert told(conversation, ask(method="HEAD", target=b"/x")).endswith(b"\r\n\r\n")


def test_one_range(conversation: Conversation) -> None:
    """One range is answered by 206, and says which bytes of how many."""
    answer = Answer(told(conversation, ask("Range: bytes=100-199")))

    assert (answer.status, answer.body) == (206, DISK[100:200])
    assert answer.fields["Content-Range"] == "bytes 100-199/10000"
    assert answer.fields["Content-Length"] == "100"
    assert answer.fields["Content-Type"] == "application/x-apple-diskimage"
    assert answer.fields["Accept-Ranges"] == "bytes"


def test_several_ranges(conversation: Conversation) -> None:
    """Several ranges are answered by a part for each, in the order asked for."""
    answer = Answer(told(conversation, ask("Range: bytes=100-199,0-1,-3")))

    assert answer.status == 206
    assert answer.fields["Content-Type"] == f"multipart/byteranges; boundary={BOUNDARY.decode()}"
    assert "Content-Range" not in answer.fields
    assert answer.parts == [
        ("bytes 100-199/10000", DISK[100:200]),
        ("bytes 0-1/10000", DISK[:2]),
        ("bytes 9997-9999/10000", DISK[-3:]),
    ]


def test_no_range(conversation: Conversation) -> None:
    """A range behind the end is answered by 416, which says where the end is."""
    answer = Answer(told(conversation, ask("Range: bytes=10000-")))

    assert answer.status == 416
    assert answer.fields["Content-Range"] == "bytes */10000"


@pytest.mark.parametrize("value", ["bytes=5-4", "lines=1-2", "bytes=0-1;q=1"])
def test_meaningless_range(conversation: Conversation, value: str) -> None:
    """A Range field without meaning is ignored."""
    answer = Answer(told(conversation, ask(f"Range: {value}")))

    assert (answer.status, answer.body) == (200, DISK)


def test_conditions(conversation: Conversation) -> None:
    """A copy that is still good is not sent again; one that has gone bad is not continued."""
    first = Answer(told(conversation, ask(method="HEAD")), method="HEAD")
    tag, date = first.fields["ETag"], first.fields["Last-Modified"]

    unchanged = Answer(told(conversation, ask(f"If-None-Match: {tag}")))
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert unchanged.fields["ETag"] == tag
    assert Answer(told(conversation, ask(f"If-Modified-Since: {date}"))).status == 304
    assert Answer(told(conversation, ask('If-Match: "x"'))).status == 412
    for validator in (tag, date):
        resumed = ask(f"If-Range: {validator}", "Range: bytes=9000-")
        assert Answer(told(conversation, resumed)).body == DISK[9000:]
    stale = ask('If-Range: "x"', "Range: bytes=9000-")
    assert Answer(told(conversation, stale)).body == DISK


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (ask(target=FOLDER + b"nothing"), 404),
        (ask(target=b"/"), 404),
        (ask(target=FOLDER), 404),
        (ask(target=b"/etc/passwd"), 404),
        (ask(target=FOLDER + b"netinstall.dmg"), 404),  # case
        (ask(target=FOLDER + b"NetInstall.dmg."), 404),
        (ask(target=FOLDER + b"NetInstall.dmg::$DATA"), 404),
        (ask(target=FOLDER + b"CON"), 404),
        (ask(target=FOLDER + b"../A.nbi/NetInstall.dmg"), 400),
        (ask(target=FOLDER + b"..%2fA.nbi/NetInstall.dmg"), 400),
        (ask(target=FOLDER + b"x" * 1100), 414),
        (ask(method="DELETE"), 405),
    ],
)
def test_errors_that_leave_the_connection(
    place: Place, conversation: Conversation, request_bytes: bytes, status: int
) -> None:
    """What is not served is refused, and the next request is answered all the same."""
    first, second = answers(told(conversation, request_bytes + ask("Range: bytes=0-0")))

    assert (first.status, second.status) == (status, 206)
    assert first.body.startswith(str(status).encode())
    assert "Connection" not in first.fields
    assert place.opened.count((b"NetBoot/NetBootSP0/A.nbi/NetInstall.dmg", "10.0.0.9", "http"))


def test_allow(conversation: Conversation) -> None:
    """Who uses another method is told which there are."""
    assert Answer(told(conversation, ask(method="PUT"))).fields["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),  # TLS on the wrong port
        (b"GET / HTTP/1.1\nHost: boot\n\n", 400),
        (b"GET /x\nHost: boot\r\n\r\n", 400),
        (b"\r\n\nGET / HTTP/1.1\r\nHost: boot\r\n\r\n", 400),
        (b"BREW /pot HTTP/1.1\r\nHost: boot\r\n\r\n", 501),
        (b"GET / HTTP/3.0\r\nHost: boot\r\n\r\n", 505),
        (ask("Content-Length: 4") + b"body", 413),
        (b"GET /" + b"x" * 20000, 414),
        (b"GET / HTTP/1.1\r\n" + b"Field: value\r\n" * 2000, 431),
        (b"GET / HTTP/1.1\r\n" + b"Field: value\r\n" * 2000 + b"\r\n", 431),
    ],
)
def test_errors_that_end_the_connection(
    conversation: Conversation, data: bytes, status: int
) -> None:
    """After what is no HTTP, or too much of it, one answer comes, and nothing after it."""
    answer = Answer(told(conversation, data))

    assert answer.status == status
    assert answer.fields["Connection"] == "close"
    assert answer.rest == b""
    assert told(conversation, ask()) == b""


def test_missing_files_are_told(place: Place, conversation: Conversation) -> None:
    """The observer learns who asked for what is not there; a refused target is nobody's file."""
    told(conversation, ask(target=FOLDER + b"nothing") + ask(target=b"/../x"))

    assert place.observer.absent == [("http", "10.0.0.9", "NetBoot/NetBootSP0/A.nbi/nothing")]


def test_unreadable_files_are_forbidden(tmp_path: Path) -> None:
    """A published file that we may not read is 403: the operator's mistake, not the client's."""

    def denied(name: bytes, *, peer: str, service: str) -> OpenFile:
        raise PathRefused(Refusal.UNREADABLE)

    site = Site.build(
        "http", open_file=denied, observer=Observer(), counters=Counters(), boundary=BOUNDARY
    )

    assert Answer(told(Conversation(site, "10.0.0.9"), ask())).status == 403


def test_persistence(conversation: Conversation) -> None:
    """HTTP/1.1 goes on; what follows a last request is not answered."""
    wire = told(conversation, ask("Range: bytes=0-0") * 3 + ask("Connection: close") + ask())

    *first, last = answers(wire)
    assert [answer.status for answer in first] == [206] * 3
    assert last.fields["Connection"] == "close"
    assert last.body == DISK


def test_http_1_0(place: Place) -> None:
    """HTTP/1.0 ends after one response unless it asks for more, and then is told so."""
    once = Conversation(place.site, "10.0.0.9")
    often = Conversation(place.site, "10.0.0.9")

    assert len(answers(told(once, ask(version="1.0") * 2))) == 1
    stays = answers(told(often, ask("Connection: keep-alive", version="1.0") * 2))
    assert [answer.fields["Connection"] for answer in stays] == ["keep-alive"] * 2


def test_empty_lines_before_a_request(conversation: Conversation) -> None:
    """Empty lines before a request are ignored (RFC 9112, 2.2)."""
    wire = told(conversation, b"\r\n\r\n" + ask() + b"\r\n" + ask())

    assert [answer.status for answer in answers(wire)] == [200, 200]


def test_nothing_comes_of_nothing(conversation: Conversation) -> None:
    """A part of a request has no answer yet, and is known to have begun."""
    assert not conversation.begun

    assert told(conversation, ask()[:-1]) == b""

    assert conversation.begun
    assert Answer(told(conversation, b"\n")).status == 200
    assert not conversation.begun


def test_timed_out(conversation: Conversation) -> None:
    """Who does not finish a request in time is told, and not heard any more."""
    told(conversation, ask()[:-1])

    answer = Answer(rendered([conversation.timed_out()]))

    assert (answer.status, answer.fields["Connection"]) == (408, "close")
    assert told(conversation, b"\n") == b""


def test_head_size_is_a_setting(tmp_path: Path) -> None:
    """A head may have as many bytes as the settings say, and not one more."""
    place = Place(tmp_path, limits=Limits(max_request=1024))
    padding = "P: " + "x" * (1024 - len(ask("P: ")))

    assert Answer(told(Conversation(place.site, "p"), ask(padding))).status == 200
    assert Answer(told(Conversation(place.site, "p"), ask(padding + "x"))).status == 431


def test_date_goes_on(place: Place, conversation: Conversation) -> None:
    """Date is that of the second, also when the clock was set back."""
    dates = []
    for seconds in (0.0, 0.4, 1.0, 3600.0):
        place.later(seconds)
        dates.append(Answer(told(conversation, ask("Range: bytes=0-1"))).fields["Date"][17:25])
    place.utc -= 7200
    place.monotonic += 1
    dates.append(Answer(told(conversation, ask())).fields["Date"][17:25])

    assert dates == ["08:49:37", "08:49:37", "08:49:38", "09:49:38", "07:49:38"]


def test_no_last_modified_in_the_future(place: Place, conversation: Conversation) -> None:
    """A file from the future has no Last-Modified (RFC 9110, 8.8.2.1)."""
    os.utime(place.bundle / "NetInstall.dmg", (place.utc + 10, place.utc + 10))

    assert "Last-Modified" not in Answer(told(conversation, ask())).fields


def replace(place: Place, content: bytes) -> None:
    """As rsync and most tools do: write beside, then rename over."""
    beside = place.bundle / "new"
    beside.write_bytes(content)
    beside.rename(place.bundle / "NetInstall.dmg")


def test_replaced_file_is_noticed(place: Place, conversation: Conversation) -> None:
    """Within a second of its replacement a file is served anew, under a new tag."""
    before = Answer(told(conversation, ask("Range: bytes=0-3")))
    replace(place, b"new content")

    place.later(0.9)
    still = Answer(told(conversation, ask("Range: bytes=0-3")))
    place.later(0.2)
    after = Answer(told(conversation, ask("Range: bytes=0-3")))

    assert (still.body, still.fields["ETag"]) == (before.body, before.fields["ETag"])
    assert (after.body, after.fields["Content-Range"]) == (b"new ", "bytes 0-3/11")
    assert after.fields["ETag"] != before.fields["ETag"]


def test_running_response_keeps_its_version(place: Place, conversation: Conversation) -> None:
    """A response that has begun is of one version, whatever happens to the file's name."""
    conversation.received(ask())
    running = conversation.next_response()
    assert running is not None
    replace(place, b"new content")
    other = Conversation(place.site, "10.0.0.8")
    assert Answer(told(other, ask())).body == b"new content"

    assert Answer(rendered([running])).body == DISK


def test_removed_file_is_gone(place: Place, conversation: Conversation) -> None:
    """Within a second of its removal a file is not found any more."""
    told(conversation, ask())
    (place.bundle / "NetInstall.dmg").unlink()
    place.later(1.1)

    assert Answer(told(conversation, ask("Range: bytes=0-3"))).status == 404


def test_descriptors(place: Place) -> None:
    """Connections share a descriptor for each version of a file, and the last one closes it."""
    first, second = (Conversation(place.site, peer) for peer in ("10.0.0.8", "10.0.0.9"))
    told(first, ask())
    told(second, ask())
    assert len(place.site.files) == 1

    replace(place, b"new content")
    place.later(1.1)
    told(first, ask())
    assert len(place.site.files) == 2

    second.rest()
    assert len(place.site.files) == 1
    first.rest()  # asked for just now
    assert len(place.site.files) == 1
    first.close()
    second.close()
    assert len(place.site.files) == 0


def test_file_is_opened_once_a_second(place: Place, conversation: Conversation) -> None:
    """Requests for one file open it once a second, not each time."""
    for _ in range(30):
        told(conversation, ask("Range: bytes=0-3"))
        place.later(0.1)

    assert 3 <= len(place.opened) <= 4


@pytest.fixture(scope="module")
def disk() -> Iterator[Place]:
    """The same bundle, for tests that hypothesis runs many times."""
    with tempfile.TemporaryDirectory() as folder:
        yield Place(Path(folder), files={"NetInstall.dmg": DISK})


NUMBER = st.integers(0, 10100).map(str)
SPEC = st.one_of(
    st.builds("{}-{}".format, NUMBER, NUMBER),
    st.builds("{}-".format, NUMBER),
    st.builds("-{}".format, NUMBER),
)


@given(st.lists(SPEC, min_size=1, max_size=5).map(",".join))
def test_any_ranges(disk: Place, ranges: str) -> None:
    """Whatever ranges are asked for, what comes is these bytes of the file, so labelled."""
    conversation = Conversation(disk.site, "10.0.0.9")

    answer = Answer(told(conversation, ask(f"Range: bytes={ranges}")))

    conversation.close()
    spans = byte_spans(f"bytes={ranges}".encode(), len(DISK))
    if spans is None:
        assert (answer.status, answer.body) == (200, DISK)
    elif not spans:
        assert answer.status == 416
    else:
        expected = [
            (f"bytes {start}-{end - 1}/{len(DISK)}", DISK[start:end]) for start, end in spans
        ]
        one = [(answer.fields["Content-Range"], answer.body)]
        assert answer.status == 206
        assert (one if len(spans) == 1 else answer.parts) == expected


REQUESTS = st.lists(
    st.sampled_from(
        [
            ask("Range: bytes=0-9"),
            ask("Range: bytes=17-18"),
            ask("Range: bytes=0-1,5-6"),
            ask("Range: bytes=99999-"),
            ask(method="HEAD"),
            ask(target=b"/../x"),
            ask("Connection: close"),
            b"\r\n",
            b"GARBAGE\r\n\r\n",
        ]
    ),
    min_size=1,
    max_size=6,
).map(b"".join)


@given(REQUESTS, st.lists(st.integers(0, 400), max_size=8))
def test_any_segmentation(disk: Place, data: bytes, cuts: list[int]) -> None:
    """How the bytes of requests are cut into reads makes no difference to the responses."""
    at_once, bit_by_bit = (Conversation(disk.site, "10.0.0.9") for _ in range(2))
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})

    whole = told(at_once, data)
    pieces = b"".join(told(bit_by_bit, data[start:end]) for start, end in pairwise(edges))

    at_once.close()
    bit_by_bit.close()
    assert pieces == whole
