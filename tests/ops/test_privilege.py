"""Giving up root: to whom, with what, and what stays somebody else's."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from ops.privilege import Identity, hand_over, resolve_identity
from ops.start import StartError

NOBODY = pwd.getpwnam("nobody")
IDENTITY = Identity(user="nobody", uid=NOBODY.pw_uid, gid=NOBODY.pw_gid)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give root up")


def owner(path: Path) -> int:
    return path.lstat().st_uid


def test_nobody_in_particular() -> None:
    """Without user and group we stay who we are."""
    assert resolve_identity(None, None) is None


@needs_root
def test_a_users_own_group_is_the_default() -> None:
    """The user alone is enough."""
    assert resolve_identity("nobody", None) == IDENTITY


@needs_root
def test_another_group() -> None:
    """A group that is set takes the place of the user's own."""
    daemon = grp.getgrnam("daemon")

    assert resolve_identity("nobody", "daemon") == Identity(
        user="nobody", uid=NOBODY.pw_uid, gid=daemon.gr_gid
    )


@pytest.mark.parametrize(
    ("user", "group", "told"),
    [
        ("no-such-user", None, 'user "no-such-user" does not exist; create it or correct `user`'),
        (None, "no-such-group", 'group "no-such-group" does not exist; create it or correct'),
    ],
)
def test_names_that_nobody_knows(user: str | None, group: str | None, told: str) -> None:
    """A misspelt name stops the start, with the setting to correct."""
    with pytest.raises(StartError) as caught:
        resolve_identity(user, group)

    assert str(caught.value).startswith(told)


@needs_root
def test_only_root_can_become_somebody_else() -> None:
    """An ordinary user may name himself, and nobody else."""
    os.seteuid(NOBODY.pw_uid)
    try:
        with pytest.raises(StartError, match='only root can become user "root"; start as root'):
            resolve_identity("root", None)
    finally:
        os.seteuid(0)


def test_an_ordinary_user_may_name_himself() -> None:
    """A configuration that says who we are already is right."""
    me = pwd.getpwuid(os.geteuid())
    group = grp.getgrgid(os.getegid()).gr_name

    found = resolve_identity(me.pw_name, group)

    assert found == Identity(user=me.pw_name, uid=os.geteuid(), gid=os.getegid())


def test_windows_has_no_such_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    """There the account of the service is chosen elsewhere, and we say so."""
    monkeypatch.setattr(os, "name", "nt")

    with pytest.raises(StartError, match="choose the service's account"):
        resolve_identity("netbootd", None)


@needs_root
class TestHandOver:
    """The state belongs to the user that the daemon becomes."""

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        """It is made, for its owner alone."""
        state = tmp_path / "lib" / "netbootd"

        hand_over(state, IDENTITY, "netbootd.sqlite")

        assert (owner(state), state.stat().st_mode & 0o777) == (NOBODY.pw_uid, 0o700)

    def test_the_state_of_an_earlier_run_as_root(self, tmp_path: Path) -> None:
        """Folder and files change hands together."""
        ours = [tmp_path / f"netbootd.sqlite{end}" for end in ("", "-wal", "-shm", ".lock")]
        for path in ours:
            path.touch()

        hand_over(tmp_path, IDENTITY, "netbootd.sqlite")

        assert {owner(path) for path in (tmp_path, *ours)} == {NOBODY.pw_uid}

    def test_a_folder_that_others_use_stays_theirs(self, tmp_path: Path) -> None:
        """Whoever names /var/lib does not find it given away: only our own files change hands."""
        ours, theirs = tmp_path / "netbootd.sqlite", tmp_path / "dpkg"
        ours.touch()
        theirs.touch()

        hand_over(tmp_path, IDENTITY, "netbootd.sqlite")

        assert [owner(path) for path in (ours, theirs, tmp_path)] == [NOBODY.pw_uid, 0, 0]

    @pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
    def test_a_link_gives_nothing_away(self, tmp_path: Path, link: str) -> None:
        """A file of root's under our name, put there by the last run, stays root's."""
        state, secret = tmp_path / "state", tmp_path / "shadow"
        state.mkdir()
        secret.touch()
        getattr(state / "netbootd.sqlite-wal", link)(secret)

        hand_over(state, IDENTITY, "netbootd.sqlite")

        assert owner(secret) == 0

    def test_a_pipe_does_not_keep_us_waiting(self, tmp_path: Path) -> None:
        """What is no file is left alone."""
        os.mkfifo(tmp_path / "netbootd.sqlite")

        hand_over(tmp_path, IDENTITY, "netbootd.sqlite")

        assert owner(tmp_path / "netbootd.sqlite") == 0


BECOME = """
import os
from ops.privilege import Identity, become
become(Identity(user="x", uid={uid}, gid={gid}))
print(os.getresuid(), os.getresgid(), os.getgroups())
try:
    os.setuid(0)
except PermissionError:
    print("for good")
"""


def become_in_a_child(uid: int, gid: int) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BECOME.format(uid=uid, gid=gid)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.splitlines()


@needs_root
def test_root_is_given_up_for_good() -> None:
    """All three user and group ids change, root's groups go, and there is no way back."""
    uid, gid = NOBODY.pw_uid, NOBODY.pw_gid

    ids, end = become_in_a_child(uid, gid)

    assert ids == f"({uid}, {uid}, {uid}) ({gid}, {gid}, {gid}) [{gid}]"
    assert end == "for good"


@needs_root
def test_a_group_alone() -> None:
    """With a group and no user, root stays root in that group."""
    (ids,) = become_in_a_child(0, NOBODY.pw_gid)

    gid = NOBODY.pw_gid
    assert ids == f"(0, 0, 0) ({gid}, {gid}, {gid}) [{gid}]"
