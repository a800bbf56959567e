"""HTTP on loopback, one process each: whole files and ranges beside nginx, ranges beside Twisted.

The file is sparse, so that it is in memory and no disk is measured. nginx is measured with and
without sendfile, because with it ranges of 64 KiB wait for the client's delayed acknowledgements.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.request import Request, urlopen

from images.author import sample_bundle_thd

from .bench import TWISTD, Bench, Row, free_port, tool

HOST = "127.0.0.1"
FILE_SIZE = 1 << 30
SECONDS = "1"
PATH = "/Bench.nbi/NetInstall.dmg"
KIB = 1 << 10
MIB = 1 << 20

NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile {sendfile};
  tcp_nopush on;
  keepalive_requests 100000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""

STATIC_FILE = """\
import sys
from twisted.internet import reactor
from twisted.web.server import Site
from twisted.web.static import File
reactor.listenTCP(int(sys.argv[2]), Site(File(sys.argv[1])), interface="127.0.0.1")
reactor.run()
"""


class Server:
    """An HTTP server that is started when it is first needed."""

    def __init__(self, bench: Bench, command: Callable[[int], list[str]]) -> None:
        self._bench = bench
        self._command = command
        self._port = 0

    def _measured(self, connections: int, size: int) -> tuple[int, int, float]:
        if not self._port:
            self._port = free_port(socket.SOCK_STREAM)
            self._bench.serve(self._command(self._port), is_up=self._answers)
        printed = self._bench.load(
            [
                self._bench.compiled("http_load"),
                HOST,
                str(self._port),
                PATH,
                str(connections),
                str(size),
                str(FILE_SIZE),
                SECONDS,
            ]
        )
        requests, sent, seconds = printed.split()
        return int(requests), int(sent), float(seconds)

    def whole(self, *, connections: int) -> float:
        """MB/s of whole files."""
        _, sent, seconds = self._measured(connections, 0)
        return sent / seconds / 1e6

    def ranges(self, *, connections: int, size: int) -> float:
        """Requests per second for ranges of `size` bytes."""
        requests, _, seconds = self._measured(connections, size)
        return requests / seconds

    def _answers(self) -> bool:
        try:
            asked = Request(f"http://{HOST}:{self._port}{PATH}", method="HEAD")
            with urlopen(asked, timeout=1) as answer:
                return int(answer.headers["Content-Length"]) == FILE_SIZE
        except OSError:
            return False


def published(bench: Bench) -> Path:
    """The folder that all servers serve: one bundle, whose root image is the file."""
    folder = bench.folder / "http/images"
    if not folder.exists():
        folder.mkdir(parents=True)
        bundle = sample_bundle_thd(folder / "Bench.nbi", root_image_size=MIB)
        with (bundle.directory / "NetInstall.dmg").open("r+b") as file:
            file.truncate(FILE_SIZE)
        for path in (folder.parent, folder, *folder.rglob("*")):
            path.chmod(0o755)
    return folder


def netbootd(bench: Bench) -> Server:
    """The daemon as it is run, with HTTP alone, and room for many connections from one address."""
    folder = published(bench).parent

    def command(port: int) -> list[str]:
        configuration = folder / "netbootd.toml"
        configuration.write_text(
            "[bsdp]\nenabled = false\n[tftp]\nenabled = false\n"
            '[network]\ninterfaces = ["lo"]\naddresses = ["127.0.0.1/32"]\n'
            f'[state]\ndirectory = "{folder / "state"}"\n'
            f"[http]\nport = {port}\nmax_connections_per_client = 1000\n"
        )
        return [TWISTD, "--nodaemon", "--pidfile=", "netbootd", "--config", str(configuration)]

    return Server(bench, command)


def nginx(bench: Bench, sendfile: str) -> Server:
    def command(port: int) -> list[str]:
        folder = bench.folder / f"nginx-{sendfile}"
        folder.mkdir()
        configuration = folder / "nginx.conf"
        configuration.write_text(
            NGINX.format(folder=folder, sendfile=sendfile, port=port, root=published(bench))
        )
        return [tool("nginx", "nginx-light"), "-c", str(configuration)]

    return Server(bench, command)


def static_file(bench: Bench) -> Server:
    def command(port: int) -> list[str]:
        return [sys.executable, "-c", STATIC_FILE, str(published(bench)), str(port)]

    return Server(bench, command)


def rows(bench: Bench) -> Iterator[Row]:
    ours, sendfile, copying = netbootd(bench), nginx(bench, "on"), nginx(bench, "off")
    static = static_file(bench)
    for connections in (1, 20):
        plural = "" if connections == 1 else "s"
        yield Row(
            name=f"HTTP whole file, {connections} connection{plural}",
            unit="MB/s",
            peer_name="nginx, sendfile",
            goal=0.85,
            ours=partial(ours.whole, connections=connections),
            peer=partial(sendfile.whole, connections=connections),
        )
    for name, size, peer_name, peer, goal in (
        ("1 MiB", MIB, "nginx, sendfile", sendfile, 0.8),
        ("128 KiB", 128 * KIB, "nginx, sendfile", sendfile, 0.75),
        ("64 KiB", 64 * KIB, "nginx, no sendfile", copying, 0.75),
        ("4 KiB", 4 * KIB, "nginx, sendfile", sendfile, 0.6),
        ("128 KiB", 128 * KIB, "twisted.web static.File", static, 7.0),
    ):
        yield Row(
            name=f"HTTP ranges of {name}, 20 connections",
            unit="requests/s",
            peer_name=peer_name,
            goal=goal,
            ours=partial(ours.ranges, connections=20, size=size),
            peer=partial(peer.ranges, connections=20, size=size),
        )
