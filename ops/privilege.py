"""Giving up root once the ports are bound."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from twisted.logger import Logger
from twisted.python.util import switchUID

from ops import log
from ops.start import StartError

_log = Logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The user and group to become."""

    user: str
    uid: int
    gid: int


def resolve_identity(user: str | None, group: str | None) -> Identity | None:
    """The identity that the settings name, or None to stay who we are.

    Raises StartError where the system does not know the names, or cannot switch.
    """
    if user is None and group is None:
        return None
    if os.name == "nt":
        raise StartError("user and group cannot be set on Windows; choose the service's account")
    import grp
    import pwd

    try:
        entry = pwd.getpwnam(user) if user is not None else pwd.getpwuid(os.getuid())
    except KeyError:
        raise StartError(f'user "{user}" does not exist; create it or correct `user`') from None
    try:
        gid = grp.getgrnam(group).gr_gid if group is not None else entry.pw_gid
    except KeyError:
        raise StartError(f'group "{group}" does not exist; create it or correct `group`') from None
    if os.geteuid() != 0 and (entry.pw_uid, gid) != (os.geteuid(), os.getegid()):
        raise StartError(f'only root can become user "{entry.pw_name}"; start as root')
    return Identity(user=entry.pw_name, uid=entry.pw_uid, gid=gid)


@contextmanager
def acting_as(identity: Identity | None) -> Iterator[None]:
    """See files as `identity` will; as who we are, if it is None or we are not root."""
    if identity is None or os.geteuid() != 0:
        yield
        return
    groups, gid = os.getgroups(), os.getegid()
    os.setgroups(os.getgrouplist(identity.user, identity.gid))
    os.setegid(identity.gid)
    os.seteuid(identity.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(gid)
        os.setgroups(groups)


def hand_over(directory: Path, identity: Identity, *prefixes: str) -> None:
    """Let `identity` own the state: the files whose names begin with one of `prefixes`, and
    `directory` too if there is nothing else in it. A socket among them is left as it is: the next
    daemon replaces it, which takes the folder only.

    What is somebody else's stays so, even if it bears our name by a link: the last run of the
    daemon, without privileges, could have put one there. Raises OSError.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.geteuid() != 0:
        return  # we are `identity`, and a service may be forbidden to give anything away
    names = os.listdir(directory)
    ours = [name for name in names if name.startswith(prefixes)]
    for name in ours:
        _give_file(directory / name, identity)
    if len(ours) == len(names):
        os.chown(directory, identity.uid, identity.gid)


def _give_file(path: Path, identity: Identity) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a socket
            return
        raise
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
            os.fchown(descriptor, identity.uid, identity.gid)
    finally:
        os.close(descriptor)


def give_up_root(identity: Identity, directory: Path, *prefixes: str) -> None:
    """Be `identity` from now on, to whom the state in `directory` (see `hand_over`) and the log
    belong. Raises StartError."""
    try:
        hand_over(directory, identity, *prefixes)
        log.hand_over(identity)
    except OSError as error:
        raise StartError(f"{directory} cannot be given to {identity.user}: {error}") from error
    become(identity)
    _log.info("Runs as user {user} from now on", user=identity.user)


def become(identity: Identity) -> None:
    """Be `identity` from now on, with its groups and no way back."""
    if os.geteuid() != 0:
        return
    if identity.uid == 0:  # only a group is set
        os.setgroups([identity.gid])
        os.setgid(identity.gid)
    else:
        switchUID(identity.uid, identity.gid)  # type: ignore[no-untyped-call]
