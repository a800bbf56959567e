"""Completion, asked of the shells themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from netbootd.cli import main as netbootctl
from pushd.cli import main as pushctl
from tests.interop.peer import peer

SCRIPTS = Path(sys.executable).parent
ROOTS = {"netbootctl": netbootctl, "pushctl": pushctl}


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{SCRIPTS}:{os.environ['PATH']}"}


@pytest.mark.interop
@pytest.mark.parametrize("program", ROOTS)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script(program: str, shell: str) -> None:
    """What is printed is for this program, and in the shell's language."""
    script = CliRunner().invoke(ROOTS[program], ["completion", shell])

    assert script.exit_code == 0
    assert f"_{program.upper()}_COMPLETE={shell}_complete" in script.stdout
    subprocess.run([peer(shell), "-n"], input=script.stdout, text=True, check=True, timeout=60)


def test_bash_completes() -> None:
    """Bash, asked as a terminal asks it, knows the commands of netbootctl."""
    lines = (
        'eval "$(netbootctl completion bash)"',
        "COMP_WORDS=(netbootctl comp) COMP_CWORD=1",
        "_netbootctl_completion netbootctl comp netbootctl",
        'echo "${COMPREPLY[@]}"',
    )

    shell = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert shell.stdout == "completion\n"


@pytest.mark.interop
def test_fish_completes() -> None:
    """fish knows them, too, and shows what each is for."""
    line = 'netbootctl completion fish | source; complete -C "netbootctl images ver"'

    shell = subprocess.run(
        [peer("fish"), "--no-config", "-c", line],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert shell.stdout == "verify\tCompute all checksums anew.\n"


def test_another_shell() -> None:
    """What is not known is refused, and what is known named."""
    result = CliRunner().invoke(netbootctl, ["completion", "tcsh"])

    assert result.exit_code == 2
    assert "'bash', 'zsh', 'fish'" in result.stderr
