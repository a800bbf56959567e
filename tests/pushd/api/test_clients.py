"""Real clients: curl, nghttp, h2load, Python's ssl, aioapns; on both faces."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from aioapns import APNs, NotificationRequest, PushType
from aioapns.connection import APNsProductionClientProtocol
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from pushd.api.bearer import new_token
from tests.interop.peer import node_modules, peer
from tests.pushd.aio import closed
from tests.pushd.api.running import Running, running
from tests.pushd.api.stand import APP, PUSH

TOKEN = new_token(Random(1).randbytes)
BEARER = ("--header", f"authorization: Bearer {TOKEN.token}")
JSON = ("--header", "content-type: application/json")
LINES = ("--header", "content-type: application/x-ndjson")
APNS = ("--header", f"apns-topic: {APP}", "--header", "apns-push-type: alert")
PAYLOAD = '{"aps":{"alert":"hello"}}'
TEAM, KEY = "TEAM567890", "KEY4567890"
KEY_OF_APP = ec.generate_private_key(ec.SECP256R1())
PUBLIC = KEY_OF_APP.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

CLIENTS = f'''
[[client]]
name = "console"
token = "{TOKEN.entry}"
scopes = ["admin"]

[[client]]
name = "certified"
certificate = "console.example.com"

[[client]]
name = "app"
[client.provider_key]
team_id = "{TEAM}"
key_id = "{KEY}"
public_key = """
{PUBLIC.decode()}"""
'''


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server behind which Apple answers at once; 410 to devices that begin with `dead`."""
    folder = tmp_path_factory.mktemp("api")
    with running(folder, clients=CLIENTS, arguments=["apple"]) as made:
        yield made


@pytest.fixture(params=["--http1.1", "--http2"])
def http(request: pytest.FixtureRequest) -> str:
    option: str = request.param
    return option


def test_curl_hands_in_a_push(api: Running, http: str) -> None:
    """By either version of HTTP; and asks for what became of it."""
    asked = api.curl("/v1/pushes?wait=30", http, *BEARER, *JSON, "--data", json.dumps(PUSH))
    status = api.curl(asked.headers["location"], http, *BEARER)

    assert asked.version == {"--http1.1": "HTTP/1.1", "--http2": "HTTP/2"}[http]
    assert (asked.status, asked.json["state"]) == (200, "accepted")
    assert (status.status, status.json["id"]) == (200, asked.json["id"])


def test_curl_hands_in_a_large_batch(api: Running, http: str) -> None:
    """Ten thousand lines, of which some are wrong."""
    good, bad = json.dumps(PUSH) + "\n", json.dumps({**PUSH, "topic": "?"}) + "\n"
    batch = ((good * 9 + bad) * 1000).encode()

    asked = api.curl("/v1/pushes", http, *BEARER, *LINES, "--data-binary", "@-", input=batch)

    statuses = [json.loads(line)["status"] for line in asked.body.splitlines()]
    assert asked.status == 202
    assert statuses == ([202] * 9 + [400]) * 1000


def test_curl_pushes_apples_way(api: Running, http: str) -> None:
    """On disk; or, in wait mode, with Apple's answer."""
    taken = api.curl("/3/device/aabb", http, *BEARER, *APNS, "--data", PAYLOAD)
    wait = ("--header", "prefer: wait=30")
    gone = api.curl("/3/device/deadbeef", http, *BEARER, *APNS, *wait, "--data", PAYLOAD)

    assert (taken.status, taken.body) == (200, b"")
    assert re.fullmatch(r"[0-9a-f-]{36}", taken.headers["apns-id"])
    assert (gone.status, gone.json["reason"]) == (410, "Unregistered")
    assert gone.json["timestamp"] == 1_600_000_000_000


def test_curl_without_a_login(api: Running, http: str) -> None:
    """401 and a problem, on our face; 403 on Apple's."""
    ours = api.curl("/v1/health", http)
    apples = api.curl("/3/device/aabb", http, *APNS, "--data", PAYLOAD)

    assert (ours.status, ours.headers["content-type"]) == (401, "application/problem+json")
    assert (apples.status, apples.json) == (403, {"reason": "MissingProviderToken"})


def test_curl_with_a_client_certificate(api: Running, http: str) -> None:
    """Its name is looked up; an authority that we do not trust ends the handshake."""
    api.authority.client("console.example.com").write(api.folder, "good-")
    api.authority.client("stranger.example.com").write(api.folder, "other-")

    def options(name: str) -> tuple[str, ...]:
        files = [str(api.folder / f"{name}-{kind}.pem") for kind in ("certificate", "key")]
        return http, "--cert", files[0], "--key", files[1]

    good = api.curl("/v1/health", *options("good"))
    stranger = api.curl("/v1/health", *options("other"))

    assert (good.status, stranger.status) == (200, 401)


def test_the_tls_session_of_a_certified_client_can_be_resumed(api: Running) -> None:
    """And still says who it is."""
    api.authority.client("console.example.com").write(api.folder, "again-")
    context = ssl.create_default_context(cafile=str(api.folder / "authority.pem"))
    context.load_cert_chain(api.folder / "again-certificate.pem", api.folder / "again-key.pem")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    session = None
    answers = []
    for _ in range(2):
        with (
            socket.create_connection(("127.0.0.1", api.port), timeout=30) as sock,
            context.wrap_socket(sock, server_hostname="localhost", session=session) as tls,
        ):
            tls.sendall(b"GET /v1/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            answers.append(tls.recv(1000)[:15])
            session = tls.session

    assert answers == [b"HTTP/1.1 200 OK"] * 2


def test_nghttp_with_many_requests(api: Running) -> None:
    """On one connection, at the same time."""
    body = api.folder / "payload.json"
    body.write_text(PAYLOAD)
    headers = [f"-H{header}" for header in (APNS[1], APNS[3], BEARER[1])]

    said = api.run(
        *("nghttp", "-ns", "-m", "100", "-d", str(body), *headers, f"{api.url}/3/device/aabb")
    )

    assert len(re.findall(r" 200 +0 /3/device/aabb", said)) == 100


@pytest.mark.parametrize("options", [["--h1"], ["-m", "10"]], ids=["http1", "http2"])
def test_h2load_on_many_connections(api: Running, options: list[str]) -> None:
    """Each request is answered 202."""
    body = api.folder / "push.json"
    body.write_text(json.dumps(PUSH))
    headers = ("-H", BEARER[1], "-H", JSON[1], "-d", str(body))

    said = api.run("h2load", "-n", "1000", "-c", "20", *options, *headers, f"{api.url}/v1/pushes")

    assert "1000 succeeded, 0 failed, 0 errored, 0 timeout" in said
    assert "status codes: 1000 2xx" in said


async def apns(api: Running, requests: list[NotificationRequest]) -> list[Any]:
    """Have aioapns push, with our server in the place of Apple's."""

    class Server(APNsProductionClientProtocol):
        APNS_SERVER = "localhost"
        APNS_PORT = api.port

    private = KEY_OF_APP.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    client = APNs(
        key=private.decode(),
        key_id=KEY,
        team_id=TEAM,
        topic=APP,
        ssl_context=ssl.create_default_context(cafile=str(api.folder / "authority.pem")),
    )
    client.pool.protocol_class = Server
    results = await asyncio.gather(*map(client.send_notification, requests))
    await closed(client)
    return results


def test_aioapns_as_it_is(api: Running) -> None:
    """It signs its tokens with a .p8 file of ours, and gets its ids back."""
    requests = [
        NotificationRequest(
            device_token=f"{number:064x}",
            message={"aps": {"alert": "hello"}},
            push_type=PushType.ALERT,
        )
        for number in range(300)
    ]
    wrong = NotificationRequest(device_token="xyz", message={"aps": {"alert": "hello"}})

    results = asyncio.run(apns(api, [*requests, wrong]))

    assert [result.is_successful for result in results] == [True] * 300 + [False]
    assert results[0].notification_id == requests[0].notification_id
    assert (results[-1].status, results[-1].description) == ("400", "BadDeviceToken")


NODE = """
const apn = require("@parse/node-apn");
const said = JSON.parse(process.argv[1]);
const provider = new apn.Provider(said.provider);
(async () => {
  const results = [];
  for (const token of said.tokens) {
    const note = new apn.Notification({ topic: said.topic, alert: "hello", pushType: "alert" });
    const result = await provider.send(note, token);
    const failed = result.failed.map((f) => [f.device, f.status, f.response]);
    results.push([result.sent.map((sent) => sent.device), failed]);
  }
  await provider.shutdown();
  console.log(JSON.stringify(results));
})();
"""


def test_node_apn_as_it_is(api: Running) -> None:
    """Many devices at once; one whose token is none."""
    modules = node_modules("@parse/node-apn")
    private = KEY_OF_APP.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    devices = [f"{number:064x}" for number in range(100)]
    said = {
        "provider": {
            "production": True,
            "address": "127.0.0.1",
            "port": api.port,
            "servername": "localhost",
            "ca": (api.folder / "authority.pem").read_text(),
            "token": {"key": private.decode(), "keyId": KEY, "teamId": TEAM},
        },
        "topic": APP,
        "tokens": [devices, ["abc"]],
    }

    printed = api.run("node", "-e", NODE, json.dumps(said), cwd=modules.parent)

    (sent, failed), (none, refused) = json.loads(printed)
    assert (sorted(sent), failed, none) == (devices, [], [])
    ((device, status, response),) = refused
    assert (device, int(status), response) == ("abc", 400, {"reason": "BadDeviceToken"})


def test_tls_is_not_older_than_configured(api: Running) -> None:
    """openssl cannot have TLS 1.1; ALPN is h2 for whoever offers both."""
    where = f"localhost:{api.port}"
    openssl = peer("openssl")
    offered = ["-alpn", "http/1.1,h2", "-CAfile", str(api.folder / "authority.pem")]

    old = subprocess.run(
        [openssl, "s_client", "-connect", where, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        input=b"",
        capture_output=True,
        check=False,
        timeout=60,
    )
    new = subprocess.run(
        [openssl, "s_client", "-connect", where, *offered],
        input=b"",
        capture_output=True,
        check=False,
        timeout=60,
    )

    assert old.returncode != 0
    assert b"ALPN protocol: h2" in new.stdout
    assert b"Verify return code: 0" in new.stdout
