"""The page of images: a card each, and what is wrong with those that are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from twisted.internet.threads import deferToThreadPool
from twisted.web.template import Tag, tags

from images.bundle import Bundle
from images.catalog import Published
from images.edit import edit_entry_thd, edit_info_thd
from images.errors import BundleError, shown
from netbootd.booter import why_entry_not_offered, why_not_offered
from ops.text import escape
from ops.web.block import UNKNOWN, badge, facts, panel
from ops.web.live import Part
from ops.web.route import Problem, Request
from ops.web.session import Session
from ops.web.shell import Content, Form, action
from ops.web.words import plural, size

if TYPE_CHECKING:
    from netbootd.service import BootService


def images_page(service: BootService, request: Request) -> Content:
    """Images that are offered, those that are switched off, folders that are none."""

    def version() -> object:
        return service.booter.snapshot.generation

    def offered() -> Tag:
        snapshot = service.booter.snapshot
        found: tuple[Published, ...] = (*snapshot.bundles, *snapshot.entries)
        first = snapshot.bundles[0] if snapshot.bundles else None
        cards = [_card(service, one, request.session, is_first=one is first) for one in found]
        nothing = tags.div(
            tags.p("There is no image."),
            tags.p(
                "Put a .nbi folder, or one with a boot.toml, into "
                + ", ".join(shown(share.path) for share in service.config.images.shares),
                class_="note",
            ),
            class_="nothing",
        )
        return panel(
            "Offered",
            tags.ul(*cards, class_="cards") if cards else nothing,
            note=plural(len(cards), "image", "images") if cards else "",
        )

    def disabled() -> Tag:
        found = service.booter.snapshot.disabled
        if not found:
            return tags.div()
        cards = [_card(service, one, request.session, is_off=True) for one in found]
        return panel("Switched off", tags.ul(*cards, class_="cards"))

    def wrong() -> Tag:
        errors = service.booter.snapshot.errors
        if not errors:
            return tags.div()
        return panel(
            "Not images", tags.ul(*(tags.li(str(e)) for e in errors), class_="list"), kind="bad"
        )

    return "Images", [
        Part(name="wrong", render=wrong, version=version),
        Part(name="offered", render=offered, version=version),
        Part(name="disabled", render=disabled, version=version),
    ]


def _card(
    service: BootService,
    image: Published,
    session: Session | None,
    *,
    is_off: bool = False,
    is_first: bool = False,
) -> Tag:
    is_mac = isinstance(image, Bundle)
    if isinstance(image, Bundle):
        known, why = _of_bundle(image), why_not_offered(image, service.publication)
    else:
        known, why = [], why_entry_not_offered(image, service.publication)
        known.append(("Machines", ", ".join(sorted(image.platforms)) or UNKNOWN))
        known.append(("Starts", _start_of(image)))
    known.append(("Size", size(sum(image.sizes.values()))))
    known.append(("Folder", shown(image.path)))
    marks = [badge("Mac" if is_mac else "PC", "plain")]
    if is_first:
        marks.append(badge("default", "good"))
    if is_off:
        marks.append(badge("off", "off"))
    if why is not None:
        marks.append(badge("not offered", "warn"))
    title = escape(image.title)
    return tags.li(
        tags.div(tags.h3(title), tags.span(*marks, class_="marks"), class_="head"),
        tags.p(escape(image.description)) if image.description else "",
        tags.p(why[:1].upper() + why[1:] + ".", class_="why") if why is not None else "",
        *(tags.p(warning, class_="why") for warning in image.warnings),
        facts(known),
        tags.div(*_actions(image, session, title, is_off=is_off, is_first=is_first), class_="acts"),
        class_="card" + (" off" if is_off else ""),
        **{"data-key": f"{image.share}/{image.name}"},
    )


def _of_bundle(image: Bundle) -> list[tuple[str, str]]:
    models = sorted(image.enabled_system_ids)
    audience = ", ".join(models[:4]) + (f" and {len(models) - 4} more" if len(models) > 4 else "")
    known = [
        ("Index", f"{image.index}" + (" (same on every server)" if image.is_global else "")),
        ("Type", f"{'install' if image.is_install else 'boot'}, {image.type.value}"),
        ("Processors", ", ".join(image.architectures)),
        ("Machines", audience or "every Mac"),
    ]
    if image.os_version:
        known.insert(0, ("System", escape(image.os_version)))
    return known


def _start_of(image: Published) -> str:
    kinds = (("kernel", "a kernel"), ("script", "an iPXE script"))
    return next((told for name, told in kinds if getattr(image, name, None)), "an EFI program")


def _actions(
    image: Published, session: Session | None, title: str, *, is_off: bool, is_first: bool
) -> list[Tag]:
    if session is None:
        return []
    where = f"/images/{quote(image.share)}/{quote(image.name)}"
    acts = []
    if is_off:
        acts.append(action(session, f"{where}/enable", "Switch on", title=f"Switch {title} on"))
    else:
        acts.append(action(session, f"{where}/disable", "Switch off", title=f"Switch {title} off"))
        if isinstance(image, Bundle) and not is_first:
            label = f"Make {title} the default"
            acts.append(action(session, f"{where}/default", "Make default", title=label))
    return acts


def image_forms(service: BootService) -> list[Form]:
    """What can be done with an image."""

    async def switch(request: Request, *, on: bool) -> str:
        image = _find(service, request)

        def edit() -> bool:
            if isinstance(image, Bundle):
                return edit_info_thd(image, {"IsEnabled": on})
            return edit_entry_thd(image, {"enabled": on})

        await _edited(service, edit)
        return f"“{escape(image.title)}” is switched {'on' if on else 'off'}."

    async def make_default(request: Request) -> str:
        image = _find(service, request)
        if not isinstance(image, Bundle):
            raise Problem(400, "only an image for Macs can be the default")
        others = [b for b in service.booter.snapshot.bundles if b.is_default and b is not image]

        def edit() -> bool:
            for other in others:
                edit_info_thd(other, {"IsDefault": False})
            return edit_info_thd(image, {"IsDefault": True})

        await _edited(service, edit)
        return f"“{escape(image.title)}” is the default."

    def then(request: Request) -> str:
        return "/images"

    place = "/images/{share}/{name}"
    return [
        Form(pattern=f"{place}/enable", act=lambda r: switch(r, on=True), then=then),
        Form(pattern=f"{place}/disable", act=lambda r: switch(r, on=False), then=then),
        Form(pattern=f"{place}/default", act=make_default, then=then),
    ]


async def _edited(service: BootService, edit: Callable[[], bool]) -> None:
    reactor = service.reactor
    try:
        await deferToThreadPool(reactor, reactor.getThreadPool(), edit)
    except BundleError as error:
        raise Problem(409, f"that could not be changed: {error}") from error
    await service.catalog_watch.rescan()


def _find(service: BootService, request: Request) -> Published:
    place = request.path["share"], request.path["name"]
    snapshot = service.booter.snapshot
    for image in (*snapshot.bundles, *snapshot.entries, *snapshot.disabled):
        if (image.share, image.name) == place:
            return image
    raise Problem(404, "there is no such image any more", "go back to the images")
