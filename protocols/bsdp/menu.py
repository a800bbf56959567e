"""What several servers offer, as one menu (bsdpc.c, `add_menu_item`, `select_image`).

An index from 4096 on names the same image on every server: one choice, served by the one with the
highest priority. Below, each server's image is its own choice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from protocols.bsdp.answer import ImagesListed, ShownImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One server's readiness to serve one image."""

    server: IPv4Address
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One line of the menu; `offers` is never empty."""

    image: ShownImage
    offers: tuple[Offer, ...]

    @property
    def best(self) -> Offer:
        """The offer with the highest priority, the earliest of equals."""
        return max(self.offers, key=lambda offer: offer.priority)


def menu(answers: Iterable[ImagesListed]) -> tuple[Choice, ...]:
    """Merge the answers of several servers, in the order in which they came."""
    choices: list[Choice] = []
    for answer in answers:
        offer = Offer(server=answer.server, priority=answer.priority)
        for image in answer.images:
            known = None if image.image_id.is_server_local else _find(choices, image)
            if known is None:
                choices.append(Choice(image=image, offers=(offer,)))
            else:
                choices[known] = replace(choices[known], offers=(*choices[known].offers, offer))
    return tuple(choices)


def _find(choices: list[Choice], image: ShownImage) -> int | None:
    for at, choice in enumerate(choices):
        if choice.image.image_id == image.image_id:
            return at
    return None


def preferred(choices: Iterable[Choice]) -> Choice | None:
    """What firmware boots without being asked: an image selected earlier, else a default one.

    Of several, the one whose server has the highest priority (the BSDP document); None if no
    server named either.
    """
    known = tuple(choices)
    for candidates in (
        [choice for choice in known if choice.image.is_selected],
        [choice for choice in known if choice.image.is_default],
    ):
        if candidates:
            return max(candidates, key=lambda choice: choice.best.priority)
    return None
