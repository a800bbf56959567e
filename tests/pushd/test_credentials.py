"""Credentials follow their files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from ops.counter import Counters
from pushd.credential import Credential
from pushd.credentials import Credentials, Round
from pushd.settings import CredentialSettings
from pushd.testing.authority import Authority, KeyPair, new_signing_key, write_private

MDM = "com.apple.mgmt.External.5a9b3a0c-0000-4000-8000-000000000001"
APP = "com.example.app"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LOOK = 5.0


class Watch:
    """Credentials on a clock, looked at without threads."""

    def __init__(self, *settings: CredentialSettings) -> None:
        self.clock = Clock()
        self.clock.advance(NOW.timestamp())
        self.counters = Counters()
        self.told: list[Credential] = []
        self.credentials = Credentials(
            settings,
            clock=self.clock,
            unix=self.clock.seconds,
            in_thread=_at_once,
            counters=self.counters,
            interval=LOOK,
        )
        self.credentials.listen(self.told.append)
        self.credentials.startService()

    def looks(self, number: int) -> None:
        for _ in range(number):
            self.clock.advance(LOOK)

    def counted(self, name: str) -> int:
        return self.counters.snapshot()[f"pushd_credential_{name}_total"]


def _at_once(function: Callable[[], Round]) -> Deferred[Round]:
    return execute(function)


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Lines that are logged while a test runs."""
    lines: list[str] = []

    def observe(event: LogEvent) -> None:
        lines.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(NOW)


@pytest.fixture
def settings(tmp_path: Path) -> CredentialSettings:
    return CredentialSettings(
        name="mdm", certificate=tmp_path / "mdm.pem", key=tmp_path / "mdm.key"
    )


@pytest.fixture
def install(settings: CredentialSettings) -> Callable[[KeyPair], None]:
    def write(pair: KeyPair) -> None:
        assert settings.certificate is not None
        assert settings.key is not None
        pair.write(settings.certificate, settings.key)

    return write


def test_first(
    authority: Authority, settings: CredentialSettings, install: Callable[[KeyPair], None]
) -> None:
    """At the start the credential is there, and listeners know it."""
    install(authority.provider(MDM))

    watch = Watch(settings)

    assert [one.name for one in watch.told] == ["mdm"]
    assert watch.credentials.get("mdm") is watch.told[0]
    assert watch.credentials.get("other") is None
    assert watch.counted("loads") == 1


def test_broken_one_leaves_others(
    authority: Authority,
    settings: CredentialSettings,
    install: Callable[[KeyPair], None],
    tmp_path: Path,
    log: list[str],
) -> None:
    """One credential that cannot be used keeps no other from working."""
    install(authority.provider(MDM))
    missing = CredentialSettings(name="app", p12=tmp_path / "none.p12")

    watch = Watch(missing, settings)

    assert watch.credentials.get("app") is None
    assert watch.credentials.get("mdm") is not None
    assert list(watch.credentials.problems()) == ["app"]
    assert any("nothing is sent with it" in line and "none.p12" in line for line in log)


def test_renewed(
    authority: Authority, settings: CredentialSettings, install: Callable[[KeyPair], None]
) -> None:
    """A renewed certificate is taken once its files have rested for a look."""
    install(authority.provider(MDM))
    watch = Watch(settings)

    install(authority.provider(MDM))
    watch.looks(1)
    soon = len(watch.told)
    watch.looks(1)

    assert soon == 1
    assert len(watch.told) == 2
    assert watch.credentials.get("mdm") is watch.told[1]


def test_unchanged(
    authority: Authority, settings: CredentialSettings, install: Callable[[KeyPair], None]
) -> None:
    """Files that stay as they are are read once."""
    install(authority.provider(MDM))
    watch = Watch(settings)

    watch.looks(10)

    assert watch.counted("loads") == 1


def test_touched(
    authority: Authority, settings: CredentialSettings, install: Callable[[KeyPair], None]
) -> None:
    """The same certificate written again changes nothing for anybody."""
    pair = authority.provider(MDM)
    install(pair)
    watch = Watch(settings)

    install(pair)
    watch.looks(3)

    assert watch.counted("loads") == 2
    assert len(watch.told) == 1


def test_file_by_file(
    authority: Authority,
    settings: CredentialSettings,
    install: Callable[[KeyPair], None],
    log: list[str],
) -> None:
    """A certificate that comes before its key is waited for, without an alarm."""
    install(authority.provider(MDM))
    watch = Watch(settings)
    renewed = authority.provider(MDM)
    assert settings.certificate is not None
    assert settings.key is not None

    settings.certificate.write_bytes(renewed.certificate)
    watch.looks(1)
    write_private(settings.key, renewed.key)
    watch.looks(2)

    assert len(watch.told) == 2
    assert watch.counted("failures") == 0
    assert not any("cannot be used" in line for line in log)


def test_broken_later(
    authority: Authority,
    settings: CredentialSettings,
    install: Callable[[KeyPair], None],
    log: list[str],
) -> None:
    """A new file that is broken leaves the old credential in use, and is told once."""
    install(authority.provider(MDM))
    watch = Watch(settings)
    assert settings.key is not None

    settings.key.write_bytes(b"broken")
    watch.looks(5)

    assert watch.credentials.get("mdm") is watch.told[0]
    assert watch.counted("failures") == 1
    assert len([line for line in log if "the one before stays" in line]) == 1
    assert "mdm.key" in str(watch.credentials.problems()["mdm"])


def test_healed_by_chmod(
    authority: Authority, settings: CredentialSettings, install: Callable[[KeyPair], None]
) -> None:
    """The remedy for a key that others may read needs no restart."""
    install(authority.provider(MDM))
    assert settings.key is not None
    settings.key.chmod(0o644)
    watch = Watch(settings)

    settings.key.chmod(0o600)
    watch.looks(2)

    assert watch.credentials.get("mdm") is not None
    assert watch.credentials.problems() == {}


def test_on_demand(
    authority: Authority, settings: CredentialSettings, install: Callable[[KeyPair], None]
) -> None:
    """A look on demand takes what has changed at once."""
    install(authority.provider(MDM))
    watch = Watch(settings)

    install(authority.provider(MDM))
    watch.credentials.look(patient=False)

    assert len(watch.told) == 2


def test_another_topic(
    authority: Authority,
    settings: CredentialSettings,
    install: Callable[[KeyPair], None],
    log: list[str],
) -> None:
    """A new certificate of another topic is taken with a warning: devices do not know it."""
    install(authority.provider(MDM))
    watch = Watch(settings)

    install(authority.provider(APP))
    watch.looks(2)

    assert watch.told[1].topics == {APP}
    assert any("must be renewed, not made anew" in line for line in log)


def test_expiry(
    authority: Authority,
    settings: CredentialSettings,
    install: Callable[[KeyPair], None],
    log: list[str],
) -> None:
    """The end of a certificate is announced 30, 14, 7 and 1 days ahead, and when it has come."""
    install(authority.provider(MDM, lifetime=timedelta(days=40, hours=1)))
    watch = Watch(settings)
    announced = []

    for day in range(42):
        before = watch.counted("expiry_warnings")
        watch.clock.advance(timedelta(days=1).total_seconds() - LOOK)
        watch.looks(1)
        if watch.counted("expiry_warnings") > before:
            announced.append(40 - (day + 1))

    assert announced == [30, 14, 7, 1, 0]
    assert len([line for line in log if "expires in" in line]) == 4
    assert len([line for line in log if "has expired" in line]) == 1
    assert watch.credentials.expiries() == {"mdm": -2 * 86400.0}


def test_late_start(
    authority: Authority,
    settings: CredentialSettings,
    install: Callable[[KeyPair], None],
    log: list[str],
) -> None:
    """Who starts with six days left is told once, not once for each day that has passed."""
    install(authority.provider(MDM, lifetime=timedelta(days=6, hours=2)))

    watch = Watch(settings)

    assert watch.counted("expiry_warnings") == 1
    assert any("expires in 6 days on 2026-11-28 13:00 UTC" in line for line in log)


def test_signing_key(tmp_path: Path) -> None:
    """A signing key has no end that anybody could warn of."""
    write_private(tmp_path / "key.p8", new_signing_key())
    watch = Watch(
        CredentialSettings(
            name="app", p8=tmp_path / "key.p8", team_id="TEAM123456", key_id="KEY1234567"
        )
    )

    watch.looks(3)

    assert watch.credentials.expiries() == {}
    assert watch.counted("expiry_warnings") == 0


def test_stop(
    authority: Authority, settings: CredentialSettings, install: Callable[[KeyPair], None]
) -> None:
    """After a stop nothing is looked at; after another start it is again."""
    install(authority.provider(MDM))
    watch = Watch(settings)

    watch.credentials.stopService()
    idle = list(watch.clock.getDelayedCalls())
    install(authority.provider(MDM))
    watch.credentials.startService()

    assert idle == []
    assert len(watch.told) == 2


def test_another_configuration(
    authority: Authority,
    settings: CredentialSettings,
    install: Callable[[KeyPair], None],
    log: list[str],
    tmp_path: Path,
) -> None:
    """One that is new is read, one that is gone is told and known no more, one that stays is not
    disturbed; and the order is that of the configuration."""
    install(authority.provider(MDM))
    authority.provider(APP).write(tmp_path / "app.pem", tmp_path / "app.key")
    app = CredentialSettings(name="app", certificate=tmp_path / "app.pem", key=tmp_path / "app.key")
    watch = Watch(settings)
    removed: list[str] = []
    watch.credentials.listen(lambda credential: None, removed.append)

    watch.credentials.replace([app, settings])
    watch.credentials.look(patient=False)
    both = watch.credentials.names()
    watch.credentials.replace([app])
    watch.credentials.look(patient=False)

    assert [one.name for one in watch.told] == ["mdm", "app"]
    assert (both, watch.credentials.names()) == (("app", "mdm"), ("app",))
    assert (removed, watch.credentials.get("mdm")) == (["mdm"], None)
    assert watch.credentials.configured == (app,)
    assert any("Credential mdm is configured no more" in line for line in log)


def test_other_files_for_the_same_name(
    authority: Authority,
    settings: CredentialSettings,
    install: Callable[[KeyPair], None],
    tmp_path: Path,
) -> None:
    """They are used once they are good; until then the one before stays."""
    install(authority.provider(MDM))
    watch = Watch(settings)
    moved = msgspec.structs.replace(
        settings, certificate=tmp_path / "new.pem", key=tmp_path / "new.key"
    )

    watch.credentials.replace([moved])
    watch.credentials.look(patient=False)
    missing = watch.credentials.get("mdm"), watch.credentials.problems()
    authority.provider(MDM).write(tmp_path / "new.pem", tmp_path / "new.key")
    watch.credentials.look(patient=False)

    assert missing[0] is watch.told[0]
    assert "cannot be read" in str(missing[1]["mdm"])
    assert len(watch.told) == 2
    assert (watch.credentials.get("mdm"), watch.credentials.problems()) == (watch.told[1], {})


@pytest.mark.parametrize("change", [{"environment": "development"}, {"topics": (APP,)}])
def test_the_same_files_for_something_else(tmp_path: Path, change: dict[str, object]) -> None:
    """Another environment, or other topics, are a change though the key is the same."""
    write_private(tmp_path / "key.p8", new_signing_key())
    settings = CredentialSettings(
        name="app", p8=tmp_path / "key.p8", team_id="TEAM123456", key_id="KEY1234567"
    )
    watch = Watch(settings)

    watch.credentials.replace([msgspec.structs.replace(settings, **change)])
    watch.credentials.look(patient=False)

    assert len(watch.told) == 2
    assert watch.told[1].token is watch.told[0].token


def test_a_look_at_a_configuration_that_is_gone(
    authority: Authority, settings: CredentialSettings, install: Callable[[KeyPair], None]
) -> None:
    """What was read for other settings is not taken: another look is under way."""
    install(authority.provider(MDM))
    watch = Watch(settings)
    delayed: list[tuple[Callable[[], Round], Deferred[Round]]] = []

    def later(function: Callable[[], Round]) -> Deferred[Round]:
        delayed.append((function, Deferred()))
        return delayed[-1][1]

    watch.credentials._in_thread = later
    install(authority.provider(MDM))
    watch.credentials.look(patient=False)
    found = delayed[0][0]()
    watch.credentials.replace([])
    delayed[0][1].callback(found)

    assert len(watch.told) == 1
    assert watch.credentials.get("mdm") is None
