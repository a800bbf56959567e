"""`… completion bash|zsh|fish`: what a shell needs in order to complete a command line."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ops.cli import Failed

SHELLS = ("bash", "zsh", "fish")


def completion_of(root: click.Group, program: str) -> click.Command:
    """The command `completion` of `program`, whose commands are those of `root`."""

    @click.command(
        "completion",
        short_help="Let the shell complete commands.",
        help=f"Print what lets SHELL complete the commands and options of {program}.\n\n"
        "\b\n"
        "For you alone, from the next shell on:\n"
        f"  bash  echo 'eval \"$({program} completion bash)\"' >> ~/.bashrc\n"
        f"  zsh   echo 'eval \"$({program} completion zsh)\"' >> ~/.zshrc\n"
        f"  fish  {program} completion fish \\\n"
        f"          > ~/.config/fish/completions/{program}.fish",
    )
    @click.argument("shell", type=click.Choice(SHELLS))
    def completion(shell: str) -> None:
        found = get_completion_class(shell)
        if found is None:
            raise Failed(f"{shell} is not known; {', '.join(SHELLS)} are")
        variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
        click.echo(found(root, {}, program, variable).source())

    return completion
