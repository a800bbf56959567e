"""systemd's units for a daemon: what it may do is what it needs.

The text is all that is made here; nothing is read, written or started. What each line is for stands
in systemd.exec(5); comments in the unit tell what is particular to the daemon.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ops.service.plan import Plan

WATCHDOG = 30
"""Seconds without a sign of life after which the daemon is restarted. Nothing that the reactor does
takes a second; a computer that swaps may stop it for longer."""
START = 900
"""Seconds for a start: an upgrade of the database may take 600 of them (`ops.database`)."""
HOMES = (Path("/home"), Path("/root"), Path("/run/user"))

TLS = """\
# Callbacks of OpenSSL are code that cffi writes at run time.
MemoryDenyWriteExecute=no"""

HARDENING = """\
CapabilityBoundingSet={capabilities}
AmbientCapabilities={capabilities}
NoNewPrivileges=yes
UMask=0077

ProtectSystem=strict
ProtectHome={home}
PrivateTmp=yes
PrivateDevices=yes
PrivateMounts=yes
PrivateUsers={private_users}
ProtectProc=invisible
ProcSubset={proc}
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes

RestrictAddressFamilies={families}
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
{memory}
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallFilter=prlimit64
SystemCallErrorNumber=EPERM
"""


def service_unit(plan: Plan, *, with_socket: bool) -> str:
    """The text of `DAEMON.service`. `with_socket`: whether systemd binds its ports."""
    return "".join(f"{line}\n" for line in _service(plan, with_socket)) + (
        "\n[Install]\nWantedBy=multi-user.target\n"
    )


def socket_unit(plan: Plan) -> str:
    """The text of `DAEMON.socket`: its ports stay bound while it is restarted, and it starts when
    somebody asks there."""
    udp = [one for one in plan.listens if one.kind == "UDP"]
    tcp = [one for one in plan.listens if one.kind == "TCP"]
    lines = ["[Unit]", f"Description=Ports of {plan.daemon}", "", "[Socket]"]
    lines += [f"ListenDatagram={_place(one.address)}:{one.port}" for one in udp]
    lines += [f"ListenStream={_place(one.address)}:{one.port}" for one in tcp]
    if udp:
        lines += [
            "# Of a datagram that comes before the service runs, too, it must be known where from.",
            "PassPacketInfo=yes",
            "Broadcast=yes",
            "ReceiveBuffer=1M",
        ]
    if tcp:
        lines += ["Backlog=511"]
    return "\n".join([*lines, "", "[Install]", "WantedBy=sockets.target", ""])


def _service(plan: Plan, with_socket: bool) -> Iterator[str]:
    name = plan.daemon
    yield "[Unit]"
    yield f"Description={plan.description}"
    yield "After=network-online.target"
    yield "Wants=network-online.target"
    if with_socket:
        yield f"Requires={name}.socket"
        yield f"After={name}.socket"
    yield ""
    yield "[Service]"
    yield "Type=notify"
    yield f"ExecStart={_quoted(plan.command)}"
    yield "ExecReload=/bin/kill -HUP $MAINPID"
    yield "WorkingDirectory=/"
    yield "Restart=on-failure"
    yield "RestartSec=5"
    yield f"WatchdogSec={WATCHDOG}"
    yield f"TimeoutStartSec={START}"
    yield ""
    yield from _user(plan)
    yield f"StateDirectory={name}"
    yield "StateDirectoryMode=0700"
    yield f"LogsDirectory={name}"
    yield f"# Where {name} looks for its state: %S/{name}."
    yield "Environment=XDG_STATE_HOME=%S"
    elsewhere = [path for path in plan.writes if not _is_below(path, _given(name))]
    for path in elsewhere:
        yield f"ReadWritePaths=-{_escaped(str(path))}"
    yield ""
    for capability in plan.capabilities:
        yield f"# {capability.name}: {capability.reason}"
    yield HARDENING.format(
        capabilities=" ".join(capability.name for capability in plan.capabilities),
        home="read-only" if homes_needed(plan) else "yes",
        families=" ".join(plan.families),
        memory=TLS if plan.speaks_tls else "MemoryDenyWriteExecute=yes",
        proc="all" if plan.reads_proc_net else "pid",
        # Among users of its own, it has no capability outside of them.
        private_users="no" if plan.capabilities else "yes",
    ).rstrip("\n")


def _user(plan: Plan) -> Iterator[str]:
    if plan.user is None:
        yield "DynamicUser=yes"
    else:
        yield f"User={plan.user}"


def homes_needed(plan: Plan) -> list[Path]:
    """What the service must read of people's home folders, which it otherwise does not see."""
    program = [Path(sys.executable), Path(sys.base_prefix), Path(sys.prefix)]
    return [path for path in (*program, *plan.reads) if _is_below(path, HOMES)]


def _given(daemon: str) -> tuple[Path, ...]:
    """The folders that systemd makes for the service."""
    return Path("/var/lib", daemon), Path("/var/log", daemon)


def _is_below(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _place(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _quoted(command: Sequence[str]) -> str:
    return " ".join(_escaped(word) for word in command)


def _escaped(word: str) -> str:
    """systemd.service(5), Command lines: specifiers, variables and quotes are what they are not."""
    escaped = word.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$").replace('"', '\\"')
    return f'"{escaped}"' if set(escaped) & set(" \t'\";") or not escaped else escaped
