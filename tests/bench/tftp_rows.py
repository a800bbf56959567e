"""TFTP on loopback in blocks of 1468: beside tftpd-hpa in lock-step, beside atftpd in windows.

tftpd-hpa knows no windows, and is the one that most people run; atftpd knows them. The two cannot
be installed together on Debian, so the one that is missing is unpacked beside the system.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from images.author import sample_bundle_thd
from protocols.tftp.packet import ReadRequest, encode

from .bench import TWISTD, Bench, Row, free_port

HOST = "127.0.0.1"
BLOCK_SIZE = 1468
FILE_SIZE = 16 << 20
"""As large as a kernel cache."""
MANY = 20
"""Clients at once."""
WINDOW = 16
SEARCH = os.environ["PATH"] + ":/usr/sbin:/sbin:/usr/local/sbin"


class Server:
    """A TFTP server that is started when it is first needed; `file` is what it is asked for."""

    def __init__(self, bench: Bench, file: str, command: Callable[[int], list[str]]) -> None:
        self._bench = bench
        self._file = file
        self._command = command
        self._port = 0

    def rate(self, *, window: int, clients: int, downloads: int) -> float:
        """MB/s of file data that reach the clients."""
        if not self._port:
            self._port = free_port(socket.SOCK_DGRAM)
            self._bench.serve(self._command(self._port), is_up=self._answers)
        wishes = (BLOCK_SIZE, window, clients, downloads)
        printed = self._bench.load(
            [self._bench.compiled("tftp_load"), HOST, str(self._port), self._file]
            + [str(wish) for wish in wishes]
        )
        measured = json.loads(printed)
        if measured["bytes"] != FILE_SIZE * clients * downloads:
            raise SystemExit(f"{self._file} did not arrive whole: {printed}")
        rate: float = measured["bytes"] / measured["seconds"] / 1e6
        return rate

    def _answers(self) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.1)
            sock.sendto(encode(ReadRequest(filename=b"nothing")), (HOST, self._port))
            try:
                return bool(sock.recv(600))
            except OSError:
                return False


def netbootd(bench: Bench) -> Server:
    """The daemon as it is run, with TFTP alone, and room for many clients at one address."""
    folder = bench.folder / "tftp"
    (folder / "images").mkdir(parents=True)
    sample_bundle_thd(
        folder / "images/Bench.nbi", root_image_size=1 << 20, kernelcache_size=FILE_SIZE
    )

    def command(port: int) -> list[str]:
        configuration = folder / "netbootd.toml"
        configuration.write_text(
            "[bsdp]\nenabled = false\n[http]\nenabled = false\n"
            '[network]\ninterfaces = ["lo"]\naddresses = ["127.0.0.1/32"]\n'
            f'[state]\ndirectory = "{folder / "state"}"\n'
            f"[tftp]\nport = {port}\nmax_transfers_per_client = {MANY}\n"
        )
        return [TWISTD, "--nodaemon", "--pidfile=", "netbootd", "--config", str(configuration)]

    return Server(bench, "Bench.nbi/i386/x86_64/kernelcache", command)


def published(bench: Bench) -> Path:
    """The folder of the peers, with the same file."""
    folder = bench.folder / "tftpboot"
    if not folder.exists():
        folder.mkdir()
        ours = bench.folder / "tftp/images/Bench.nbi/i386/x86_64/kernelcache"
        shutil.copyfile(ours, folder / "kernelcache")
        (folder / "kernelcache").chmod(0o644)
    return folder


def tftpd_hpa(bench: Bench) -> Server:
    def command(port: int) -> list[str]:
        program = unpacked("in.tftpd", "tftpd-hpa")
        return [program, "-L", "-a", f"{HOST}:{port}", "-s", str(published(bench))]

    return Server(bench, "kernelcache", command)


def atftpd(bench: Bench) -> Server:
    def command(port: int) -> list[str]:
        program = unpacked("atftpd", "atftpd")
        where = ["--bind-address", HOST, "--port", str(port), "--user", "root", "--group", "root"]
        limits = ["--daemon", "--no-fork", "--maxthread", "100"]
        return [program, *limits, *where, str(published(bench))]

    return Server(bench, "kernelcache", command)


def unpacked(program: str, package: str) -> str:
    """The path of a program: installed, or out of Debian's package in a folder of its own."""
    found = shutil.which(program, path=SEARCH)
    if found is not None:
        return found
    folder = Path(tempfile.gettempdir()) / f"netbootd-bench-{os.getuid()}" / package
    unpacked = folder / "usr/sbin" / program
    if not unpacked.exists():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run(
                ["apt-get", "-q", "download", package], cwd=folder, check=True, capture_output=True
            )
            (archive,) = folder.glob(f"{package}_*.deb")
            subprocess.run(["dpkg", "-x", archive, folder], check=True)
        except (OSError, subprocess.CalledProcessError, ValueError) as error:
            raise SystemExit(f"the bench needs {program} (Debian: {package}): {error}") from error
    return str(unpacked)


def rows(bench: Bench) -> Iterator[Row]:
    ours, hpa, windowed = netbootd(bench), tftpd_hpa(bench), atftpd(bench)
    for name, peer_name, peer, window, clients, downloads, goal in (
        ("lock-step, 1 client", "tftpd-hpa", hpa, 1, 1, 1, 0.7),
        (f"lock-step, {MANY} clients", "tftpd-hpa", hpa, 1, MANY, 1, 1.4),
        (f"windowsize {WINDOW}, 1 client", "atftpd", windowed, WINDOW, 1, 8, 1.8),
        (f"windowsize {WINDOW}, {MANY} clients", "atftpd", windowed, WINDOW, MANY, 1, 2.4),
    ):
        load = {"window": window, "clients": clients, "downloads": downloads}
        yield Row(
            name=f"TFTP {name}",
            unit="MB/s",
            peer_name=peer_name,
            goal=goal,
            ours=partial(ours.rate, **load),
            peer=partial(peer.rate, **load),
        )
