"""The TFTP clients of the distribution against the service in a reactor that runs, on loopback."""

from __future__ import annotations

import contextlib
import functools
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SkipTest, TestCase

from images.author import sample_bundle_thd
from images.catalog import Catalog, Root
from images.paths import OpenFile, open_file, resolve
from netbootd.config import TftpSettings
from netbootd.tftp import TftpService
from netbootd.transfer import Outcome
from ops.counter import Counters
from tests.netbootd.tftp.site import BUNDLE, HOME, LOOPBACK, Observed

FILE = "i386/x86_64/kernelcache"
CONTENT = Random(5).randbytes(3_000_001)
TEXT = b"line\n" * 5000 + b"dos\r\n\r"

Test = Callable[[Any], Coroutine[Deferred[Any], Any, None]]


def flow(test: Test) -> Callable[[Any], Deferred[None]]:
    """A test written as a coroutine."""

    @functools.wraps(test)
    def run(self: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(test(self))

    return run


@pytest.mark.interop
class ClientTest(TestCase):
    """Each test runs one client, which must leave with exit status 0 and the right file."""

    def setUp(self) -> None:
        with contextlib.ExitStack() as cleanup:
            self.folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
            self.addCleanup(cleanup.pop_all().close)
        (self.folder / "images").mkdir()
        sample_bundle_thd(self.folder / "images" / BUNDLE, root_image_size=4096)
        (self.folder / "images" / BUNDLE / FILE).write_bytes(CONTENT)
        (self.folder / "images" / BUNDLE / "i386/com.apple.Boot.plist").write_bytes(TEXT)
        self.snapshot = Catalog([Root(path=self.folder / "images", share="S")]).scan_thd()
        self.observed = Observed()
        self.service = TftpService(
            reactor,  # type: ignore[arg-type]
            [LOOPBACK],
            TftpSettings(port=0),
            open_file=self.open_file,
            observer=self.observed,
            counters=Counters(),
        )
        self.service.privilegedStartService()
        self.service.startService()
        self.addCleanup(self.service.stopService)
        self.port = str(self.service.ports[0])

    def open_file(self, name: bytes, *, peer: str, service: str) -> OpenFile:
        return open_file(resolve(self.snapshot, name))

    async def run_client(self, *command: str) -> None:
        program = shutil.which(command[0])
        if program is None:
            raise SkipTest(f"{command[0]} is not installed")
        output, errors, status = await getProcessOutputAndValue(
            program, command[1:], path=str(self.folder)
        )
        self.assertEqual((status, errors), (0, errors), (output, errors))

    def received(self) -> bytes:
        return (self.folder / "received").read_bytes()

    @flow
    async def test_tftp_hpa(self) -> None:
        """tftp-hpa, which sends no options, gets the file in blocks of 512 bytes."""
        name = f"/{BUNDLE}/{FILE}"

        await self.run_client(
            "tftp", "-m", "binary", HOME, self.port, "-c", "get", name, "received"
        )

        self.assertEqual(self.received(), CONTENT)
        self.assertEqual(self.observed.outcomes, [Outcome.COMPLETE])

    @flow
    async def test_tftp_hpa_text(self) -> None:
        """tftp-hpa asks for a text and converts it back to what it was."""
        name = f"{BUNDLE}/i386/com.apple.Boot.plist"

        await self.run_client("tftp", "-m", "ascii", HOME, self.port, "-c", "get", name, "received")

        self.assertEqual(self.received(), TEXT)

    @flow
    async def test_atftp_windows(self) -> None:
        """atftp asks for windows of several sizes, and gets the file in each."""
        name = f"{BUNDLE}/{FILE}"
        command = ["atftp", "--get", "-r", name, "-l", "received", "--option", "blksize 1428"]
        for window in (1, 2, 8, 16, 64, 1000):
            await self.run_client(*command, "--option", f"windowsize {window}", HOME, self.port)

            self.assertEqual(self.received(), CONTENT)

    @flow
    async def test_curl(self) -> None:
        """curl gets the file with small blocks, with blocks too large for a frame, and without."""
        url = f"tftp://{HOME}:{self.port}//{BUNDLE}/{FILE}"
        for options in ((), ("--tftp-blksize", "8192"), ("--tftp-no-options",)):
            await self.run_client("curl", "-sS", *options, "-o", "received", url)

            self.assertEqual(self.received(), CONTENT)

    @flow
    async def test_busybox(self) -> None:
        """busybox gets the file in blocks that fill a frame."""
        name = f"{BUNDLE}/{FILE}"
        command = ("busybox", "tftp", "-g", "-b", "1468", "-r", name, "-l", "received")

        await self.run_client(*command, HOME, self.port)

        self.assertEqual(self.received(), CONTENT)
