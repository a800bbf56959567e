"""`netbootctl images …`: what there is to boot, made, taken in, verified and switched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ops.cli import ExitCode, config_option

configured = config_option("netbootd")
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON, with all that is known."
)
into_share = click.option(
    "--share",
    metavar="NAME|FOLDER",
    help="Share to put it in, or a folder. Default: the share, if there is only one.",
)


def part(option: str, **settings: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option that names a file."""
    return click.option(option, type=click.Path(path_type=Path), metavar="FILE", **settings)


def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """For shells: the images that there are; nothing where that cannot be told."""
    from netbootd.image_names import names

    return [name for name in names(ctx.params.get("configuration")) if name.startswith(incomplete)]


@click.group(short_help="See, make, take in and switch images.")
def images() -> None:
    """Boot images (.nbi folders) and boot entries, in the folders that the configuration names.

    All of these commands work whether netbootd runs or not.
    """


@images.command("list", short_help="List all images.")
@as_json
@configured
def list_(configuration: Path | None, as_json: bool) -> None:
    """List all images and boot entries, with what becomes of each, in the order of menus.

    “default” marks an image that says so of itself, “first” what machines boot that have chosen
    nothing where no image says so.
    """
    from netbootd.image_show import list_images

    list_images(configuration, as_json=as_json)


@images.command(short_help="Show all that is known of an image.")
@click.argument("image", nargs=-1, required=True, shell_complete=complete)
@as_json
@configured
def show(image: tuple[str, ...], configuration: Path | None, as_json: bool) -> None:
    """Show an IMAGE: what it says about itself, its files, who would see it, why nobody does.

    An IMAGE is named by its folder (with or without .nbi), its index or its title.
    """
    from netbootd.image_show import show_images

    show_images(configuration, image, as_json=as_json)


@images.command(short_help="Compute all checksums anew.")
@click.argument("image", nargs=-1, shell_complete=complete)
@as_json
@configured
@click.pass_context
def verify(
    ctx: click.Context, image: tuple[str, ...], configuration: Path | None, as_json: bool
) -> None:
    """Read each IMAGE to its last byte and compute the checksums of its disk images anew.

    Without IMAGE, all are verified. An IMAGE may also be a folder that lies elsewhere.

    The exit status is 1 if an image is broken or damaged, otherwise 0, whatever doubts there are.
    """
    from netbootd.image_verify import verify_images

    is_intact = verify_images(configuration, image, as_json=as_json)
    ctx.exit(ExitCode.OK if is_intact else ExitCode.FAILED)


@images.command("import", short_help="Copy an image into a share.")
@click.argument("source", type=click.Path(path_type=Path))
@into_share
@click.option(
    "--index",
    type=click.IntRange(1, 65535),
    metavar="NUMBER",
    help="Give the copy another Index.",
)
@click.option("--name", metavar="TITLE", help="Give the copy another name, which users see.")
@click.option("--disabled", is_flag=True, help="Do not serve it yet.")
@click.option(
    "--verify/--no-verify",
    "is_verified",
    default=True,
    help="Compute the checksums of the copy before it is served.  [default: verify]",
)
@as_json
@configured
def import_(
    source: Path,
    share: str | None,
    index: int | None,
    name: str | None,
    disabled: bool,
    is_verified: bool,
    as_json: bool,
    configuration: Path | None,
) -> None:
    """Copy an .nbi folder, SOURCE, from another disk into a share.

    SOURCE may also be a volume or folder with one .nbi folder in it.

    The image appears whole, at the end. If the copy is cut off, the same command goes on where it
    stopped, after comparing what is there.
    """
    from netbootd.image_import import import_image

    keys: dict[str, object] = {"Index": index, "Name": name}
    keys = {key: value for key, value in keys.items() if value is not None}
    if disabled:
        keys["IsEnabled"] = False
    import_image(configuration, source, share, keys, is_verified=is_verified, as_json=as_json)


@images.command(short_help="Make an image from its parts.")
@click.argument("folder", metavar="FOLDER")
@part("--booter", required=True, help="boot.efi, from System/Library/CoreServices.")
@part("--kernelcache", help="prelinkedkernel, from System/Library/PrelinkedKernels.")
@part(
    "--platform-support",
    help="PlatformSupport.plist, from System/Library/CoreServices; it names models.",
)
@part("--boot-plist", help="com.apple.Boot.plist, with flags for the kernel.")
@part("--root-image", help="The root disk: a disk image (.dmg) of the system.")
@click.option("--name", metavar="TITLE", help="What users see. Default: the name of FOLDER.")
@click.option(
    "--index",
    type=click.IntRange(1, 65535),
    metavar="NUMBER",
    help="Default: the first that is free.",
)
@click.option(
    "--type",
    "kind",
    type=click.Choice(["netboot", "netinstall", "netrestore"]),
    metavar="TYPE",
    default="netinstall",
    show_default=True,
    help="netboot: a system to work with; netinstall: an installer; netrestore: restores disks.",
)
@click.option(
    "--models",
    multiple=True,
    metavar="MODEL...",
    help="Models that see it, “all” for every one; again for more. Default: those of"
    " --platform-support.",
)
@click.option("--description", metavar="TEXT", help="A note, which nobody but you sees.")
@click.option("--diskless", is_flag=True, help="The system may run without a local disk.")
@click.option("--default", "is_default", is_flag=True, help="Make it the default image.")
@click.option("--disabled", is_flag=True, help="Do not serve it yet.")
@into_share
@as_json
@configured
def create(
    folder: str,
    configuration: Path | None,
    share: str | None,
    as_json: bool,
    **parts: object,
) -> None:
    """Put together the image FOLDER (.nbi is added) for Intel Macs from the parts of a system.

    The result is read back as netbootd reads it, and appears whole or not at all.
    """
    from netbootd.image_create import Parts, create_image

    create_image(configuration, folder, share, Parts(**parts), as_json=as_json)  # type: ignore[arg-type]


@images.command(short_help="Serve an image.")
@click.argument("image", nargs=-1, required=True, shell_complete=complete)
@as_json
@configured
def enable(image: tuple[str, ...], configuration: Path | None, as_json: bool) -> None:
    """Serve each IMAGE again: sets IsEnabled in its NBImageInfo.plist and nothing else."""
    from netbootd.image_switch import switch_images

    switch_images(configuration, image, is_enabled=True, as_json=as_json)


@images.command(short_help="Do not serve an image.")
@click.argument("image", nargs=-1, required=True, shell_complete=complete)
@as_json
@configured
def disable(image: tuple[str, ...], configuration: Path | None, as_json: bool) -> None:
    """Do not serve any IMAGE from now on; its files stay. Machines that boot from it go on."""
    from netbootd.image_switch import switch_images

    switch_images(configuration, image, is_enabled=False, as_json=as_json)


@images.command("set-default", short_help="Let machines boot an image by default.")
@click.argument("image", shell_complete=complete)
@as_json
@configured
def set_default(image: str, configuration: Path | None, as_json: bool) -> None:
    """Let machines that have not chosen boot IMAGE.

    Sets its IsDefault, and takes it from the images that would go before it for some machine that
    may boot both. Images for other models stay the default of those.
    """
    from netbootd.image_switch import make_default

    make_default(configuration, image, as_json=as_json)
