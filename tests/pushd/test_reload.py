"""SIGHUP with another configuration: what can change does, at once, and no push is lost."""

from __future__ import annotations

import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from pushd.testing import Conduct
from pushd.testing.authority import Authority
from pushd.testing.background import Background, simulator_in_background
from tests.pushd.daemon import Daemon, Site, pushes

OTHER = "com.example.other"
WRONG = "The old settings stay, for the new ones are wrong: "


@pytest.fixture
def apple() -> Iterator[Background]:
    with simulator_in_background() as background:
        yield background


@pytest.fixture
def site(tmp_path: Path, apple: Background) -> Site:
    return Site(tmp_path, apple)


def reload(daemon: Daemon, said: str = "Configuration read again: ") -> str:
    """Have the configuration as it is now read, until `said` is said once more."""
    daemon.site.write()
    times = len(daemon.said(said))
    daemon.signal(signal.SIGHUP)
    return daemon.wait_for(said, times + 1)


def other_credential(site: Site) -> str:
    """A table for another app."""
    site.authority.provider(OTHER).write(site.folder / "other.pem", site.folder / "other.key")
    return '[[credential]]\nname = "other"\ncertificate = "other.pem"\nkey = "other.key"\n'


def presented(daemon: Daemon) -> x509.Certificate:
    """The certificate that the API shows."""
    shown = ssl.get_server_certificate(("localhost", daemon.port))
    return x509.load_pem_x509_certificate(shown.encode())


def test_a_credential_comes(site: Site) -> None:
    """Its topics are refused before, and pushed to from then on."""
    (push,) = pushes(1, topic=OTHER)

    with site.daemon() as daemon:
        before, _ = daemon.api().json("POST", "/v1/pushes", push)
        site.tail += other_credential(site)
        said = reload(daemon)
        daemon.wait_for("Credential other: a certificate until")
        (result,) = daemon.api().batch([push], wait=20)

    assert before == 400
    assert said.endswith("Configuration read again: credential")
    assert result["state"] == "accepted"
    assert not daemon.said("Restart pushd")


def test_a_credential_goes_and_comes_back(site: Site) -> None:
    """Its topic is refused meanwhile; what was handed in before waits, or is answered, and is
    delivered once in the end."""
    site.apple.run(lambda apple: setattr(apple, "conduct", Conduct(latency=1.0, streams=2)))
    items = pushes(300)
    tail = site.tail

    with site.daemon() as daemon:
        daemon.api().batch(items)
        site.tail = other_credential(site)
        reload(daemon)
        daemon.wait_for("Credential app is configured no more")
        (refused,) = pushes(1, first=900)
        status, _ = daemon.api().json("POST", "/v1/pushes", refused)
        site.apple.until(lambda apple: apple.statistics.open_connections == 0, 60)
        waiting = daemon.api().json("GET", "/v1/health")[1]["waiting"]
        site.apple.run(lambda apple: setattr(apple, "conduct", Conduct()))
        site.tail = tail
        reload(daemon)
        site.until_accepted([item["id"] for item in items])

    assert status == 400
    assert waiting > 0
    assert set(site.accepted([item["id"] for item in items]).values()) == {1}


def test_the_certificate_of_the_api(site: Site) -> None:
    """New connections see the new one, those that are there go on; a key that does not fit changes
    nothing."""
    folder = site.folder
    with site.daemon() as daemon:
        first = presented(daemon)
        site.authority.server().write(folder / "new.pem", folder / "new.key")
        (folder / "api.pem").write_bytes((folder / "new.pem").read_bytes())
        wrong = reload(daemon, WRONG)
        still = presented(daemon)
        (folder / "api.key").write_bytes((folder / "new.key").read_bytes())
        reload(daemon)
        then = presented(daemon)
        site.settings["api"] += '\nminimum_version = "TLSv1.3"'
        reload(daemon)
        answer = daemon.api().json("GET", "/v1/health")

    assert "api.key: " in wrong
    assert (first == still, first == then) == (True, False)
    assert then == x509.load_pem_x509_certificate((folder / "new.pem").read_bytes())
    assert answer[0] == 200


def test_trust_roots(site: Site) -> None:
    """Whom we trust is asked for anew: connections to one that is trusted no more are left, and
    pushes wait until it is trusted again. A file without a certificate changes nothing."""
    (first,) = pushes(1)
    items = pushes(20, first=1)

    with site.daemon() as daemon:
        daemon.api().batch([first], wait=20)
        (site.folder / "ca.pem").write_text("nothing")
        wrong = reload(daemon, WRONG)
        (site.folder / "other-ca.pem").write_bytes(Authority().pem)
        site.settings["apple"] = site.settings["apple"].replace('"ca.pem"', '"other-ca.pem"')
        said = reload(daemon)
        daemon.api().batch(items)
        daemon.wait_for("no connection to Apple: ")
        (site.folder / "other-ca.pem").write_bytes(site.authority.pem)
        reload(daemon)
        site.until_accepted([item["id"] for item in items])

    assert "apple.trust_roots: " in wrong
    assert "apple.trust_roots" in said
    assert set(site.accepted([item["id"] for item in items]).values()) == {1}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('[[credential]]\nname = "app"\n', "credential[0].certificate: is missing"),
        ("[[credential]]\nnonsense = 1\n", "credential[0].nonsense: is not a setting"),
        ("[credential\n", "is not TOML"),
    ],
)
def test_a_wrong_file_changes_nothing(site: Site, table: str, said: str) -> None:
    """It is told what is wrong, and everything goes on as before."""
    with site.daemon() as daemon:
        site.tail = table
        wrong = reload(daemon, WRONG)
        (result,) = daemon.api().batch(pushes(1), wait=20)

    assert said in wrong
    assert result["state"] == "accepted"


def test_what_needs_a_restart(site: Site) -> None:
    """It is named; the API is not switched off by a reload."""
    with site.daemon() as daemon:
        site.settings["queue"] = "pushes = 7"
        reload(daemon)
        later = daemon.wait_for("Restart pushd for the change of queue.pushes")
        settings = site.settings["api"]
        site.settings["api"] = "anonymous = true"
        wrong = reload(daemon, WRONG)
        site.settings["api"] = settings
        status, _ = daemon.api().json("GET", "/v1/health")

    assert later
    assert "api.certificate: " in wrong
    assert status == 200
