"""Clients of Apple's that nobody here wrote, pushing to the simulator as they would to Apple."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from aioapns import APNs, NotificationRequest, PushType
from aioapns.connection import APNsProductionClientProtocol

from pushd.testing import Authority, Conduct, Rule, new_signing_key
from pushd.testing.background import Background
from tests.interop.peer import node_modules, peer
from tests.pushd.aio import closed
from tests.pushd.testing.hand import APNS_ID, TOPIC, bearer

DEAD = "dead" + "0" * 60
FINE = "f1ee" + "0" * 60
GONE = Rule(prefix="dead", status=410, reason="Unregistered", timestamp=1_700_000_000_000)


@pytest.fixture
def trusted(authority: Authority, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.pem)
    return path


@pytest.fixture
def certificate(authority: Authority, tmp_path: Path) -> Path:
    """A certificate and its key in one file."""
    pair = authority.provider(TOPIC, topics=[TOPIC, TOPIC + ".voip"])
    path = tmp_path / "provider.pem"
    path.write_bytes(pair.certificate + pair.key)
    return path


class TestAioapns:
    """aioapns, whose own checks are few."""

    @pytest.fixture(autouse=True)
    def pointed(self, apple: Background, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(APNsProductionClientProtocol, "APNS_SERVER", "localhost")
        monkeypatch.setattr(APNsProductionClientProtocol, "APNS_PORT", apple.port)

    def context(self, trusted: Path) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=trusted)
        context.set_alpn_protocols(["h2"])
        return context

    def push(self, client_options: dict[str, Any], *requests: NotificationRequest) -> list[Any]:
        """The results, in the order of the requests: the first alone, the others at once."""

        async def run() -> list[Any]:
            client = APNs(topic=TOPIC, max_connections=1, **client_options)
            first = await client.send_notification(requests[0])
            others = await asyncio.gather(*map(client.send_notification, requests[1:]))
            await closed(client)
            return [first, *others]

        return asyncio.run(run())

    def request(self, token: str = FINE, **options: Any) -> NotificationRequest:
        options.setdefault("push_type", PushType.ALERT)
        message = {"aps": {"alert": "Hello"}}
        return NotificationRequest(device_token=token, message=message, **options)

    def test_with_a_certificate(self, apple: Background, trusted: Path, certificate: Path) -> None:
        """Two hundred pushes, each accepted once, in their order."""
        context = self.context(trusted)
        context.load_cert_chain(certificate)
        requests = [self.request() for _ in range(200)]
        options = {"client_cert": str(certificate), "ssl_context": context}

        results = self.push(options, *requests)

        assert [result.status for result in results] == ["200"] * 200
        seen = apple.run(lambda simulator: simulator.record.to(FINE))
        assert [push.apns_id for push in seen] == [r.notification_id for r in requests]
        assert apple.run(lambda simulator: simulator.statistics).duplicates == 0

    def test_with_a_provider_token(self, apple: Background, trusted: Path) -> None:
        """Accepted with a registered key, once the first push has let in the others."""
        key = apple.run(lambda simulator: simulator.new_key())
        options = {
            "key": key.decode(),
            "key_id": "KEY0000001",
            "team_id": "TEAM000001",
            "ssl_context": self.context(trusted),
        }

        results = self.push(options, *(self.request() for _ in range(50)))

        assert [result.status for result in results] == ["200"] * 50

    def test_with_the_wrong_key(self, apple: Background, trusted: Path) -> None:
        """Refused with Apple's reason."""
        options = {
            "key": new_signing_key().decode(),
            "key_id": "KEY0000001",
            "team_id": "TEAM000001",
            "ssl_context": self.context(trusted),
        }

        (result,) = self.push(options, self.request())

        assert (result.status, result.description) == ("403", "InvalidProviderToken")

    def test_refusals(self, apple: Background, trusted: Path, certificate: Path) -> None:
        """Status, reason and timestamp arrive as Apple's do."""
        apple.run(lambda simulator: simulator.rules.add(GONE))
        context = self.context(trusted)
        context.load_cert_chain(certificate)
        options = {"client_cert": str(certificate), "ssl_context": context}

        results = self.push(
            options,
            self.request(),
            self.request(DEAD),
            self.request("ab"),
            self.request(priority=3),
            self.request(push_type=PushType.BACKGROUND, priority=10),
            self.request(apns_topic="com.example.other"),
        )

        assert [(result.status, result.description) for result in results] == [
            ("200", None),
            ("410", "Unregistered"),
            ("400", "BadDeviceToken"),
            ("400", "BadPriority"),
            ("400", "BadPriority"),
            ("400", "TopicDisallowed"),
        ]
        assert results[1].timestamp == 1_700_000_000_000


NODE = """
const apn = require("@parse/node-apn");
const fs = require("fs");
const options = JSON.parse(fs.readFileSync(0));
const provider = new apn.Provider(options.provider);
(async () => {
  const results = [];
  for (const token of options.tokens) {
    const note = new apn.Notification();
    note.alert = "Hello";
    note.topic = options.topic;
    note.pushType = "alert";
    note.expiry = 1900000000;
    const result = await provider.send(note, token);
    results.push({
      sent: result.sent.length,
      failed: result.failed.map((f) => [f.status, f.response, f.error && String(f.error)]),
    });
  }
  await provider.shutdown();
  console.log(JSON.stringify(results));
})();
"""


class TestNodeApn:
    """@parse/node-apn."""

    def push(self, apple: Background, trusted: Path, provider: dict[str, Any]) -> list[Any]:
        modules = node_modules("@parse/node-apn")
        said = {
            "provider": {
                "production": True,
                "address": "127.0.0.1",
                "port": apple.port,
                "servername": "localhost",
                "ca": trusted.read_text(),
                **provider,
            },
            "topic": TOPIC,
            "tokens": [FINE, DEAD, FINE],
        }
        apple.run(lambda simulator: simulator.rules.add(GONE))
        finished = subprocess.run(
            [peer("node"), "-e", NODE],
            input=json.dumps(said),
            capture_output=True,
            text=True,
            cwd=modules.parent,
            timeout=60,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        results: list[Any] = json.loads(finished.stdout)
        return results

    def check(self, apple: Background, results: list[Any]) -> None:
        sent, gone, again = results
        assert (sent["sent"], again["sent"]) == (1, 1)
        ((status, response, _error),) = gone["failed"]
        assert int(status) == 410
        assert response == {"reason": "Unregistered", "timestamp": 1_700_000_000_000}
        seen = apple.run(lambda simulator: simulator.pushes)
        assert [(push.token, push.status) for push in seen] == [
            (FINE, 200),
            (DEAD, 410),
            (FINE, 200),
        ]
        assert seen[0].expiration == 1_900_000_000

    def test_with_a_provider_token(self, apple: Background, trusted: Path) -> None:
        """Accepted and refused as by Apple."""
        key = apple.run(lambda simulator: simulator.new_key())
        token = {"key": key.decode(), "keyId": "KEY0000001", "teamId": "TEAM000001"}

        results = self.push(apple, trusted, {"token": token})

        self.check(apple, results)

    def test_with_a_certificate(self, apple: Background, trusted: Path, certificate: Path) -> None:
        """It reads the certificate's extensions itself, and finds in them what it wants."""
        pem = certificate.read_text()

        results = self.push(apple, trusted, {"cert": pem, "key": pem})

        self.check(apple, results)


class TestNghttp2:
    """Debian's nghttp2: another implementation of HTTP/2."""

    def headers(self, **more: str) -> list[str]:
        said = {"apns-topic": TOPIC, "apns-push-type": "alert"} | more
        return [part for name, value in said.items() for part in ("-H", f"{name}: {value}")]

    def test_nghttp(self, apple: Background, certificate: Path, tmp_path: Path) -> None:
        """One push, with PRIORITY frames that nobody asked for."""
        body = tmp_path / "payload.json"
        body.write_bytes(b'{"aps":{}}')

        finished = subprocess.run(
            [
                peer("nghttp"),
                "--verbose",
                "--no-verify-peer",
                f"--cert={certificate}",
                f"--key={certificate}",
                "-H",
                ":method: POST",
                *self.headers(**{"apns-id": APNS_ID}),
                f"--data={body}",
                f"https://localhost:{apple.port}/3/device/{FINE}",
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert finished.returncode == 0, finished.stdout + finished.stderr
        assert ":status: 200" in finished.stdout
        assert apple.run(lambda simulator: simulator.record.count_of(APNS_ID)) == 1
        assert apple.run(lambda simulator: list(simulator.violations)) == []

    @pytest.mark.parametrize("options", [{"conduct": Conduct(first_streams=1000)}])
    def test_h2load(self, apple: Background, tmp_path: Path) -> None:
        """Two thousand pushes by four connections, all accepted."""
        body = tmp_path / "payload.json"
        body.write_bytes(b'{"aps":{}}')
        key = apple.run(lambda simulator: simulator.new_key())

        finished = subprocess.run(
            [
                peer("h2load"),
                "--requests=2000",
                "--clients=4",
                "--max-concurrent-streams=100",
                f"--data={body}",
                *self.headers(authorization=bearer(key)),
                f"https://localhost:{apple.port}/3/device/{FINE}",
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert "2000 succeeded, 0 failed" in finished.stdout, finished.stdout
        said = apple.run(lambda simulator: simulator.statistics)
        assert (said.accepted, said.delivered, said.connections) == (2000, 2000, 4)
