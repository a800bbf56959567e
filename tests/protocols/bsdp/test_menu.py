"""Several servers, one menu."""

from __future__ import annotations

from ipaddress import IPv4Address

from protocols.bsdp.answer import ImagesListed, ShownImage
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.menu import Offer, menu, preferred

A, B = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")


def shown(index: int, *, default: bool = False, selected: bool = False) -> ShownImage:
    return ShownImage(
        image_id=BootImageId(0x81000000 + index),
        name=f"image {index}",
        is_default=default,
        is_selected=selected,
    )


def listed(server: IPv4Address, priority: int, *images: ShownImage) -> ImagesListed:
    return ImagesListed(server=server, priority=priority, images=images)


def test_global_image_of_two_servers_is_one_choice() -> None:
    """An index from 4096 on is the same image; the higher priority serves it."""
    choices = menu([listed(A, 100, shown(4096)), listed(B, 200, shown(4097), shown(4096))])

    assert [choice.image.image_id.index for choice in choices] == [4096, 4097]
    assert choices[0].offers == (Offer(server=A, priority=100), Offer(server=B, priority=200))
    assert choices[0].best.server == B


def test_local_images_stay_apart() -> None:
    """Below 4096 two servers may mean two images by one identifier."""
    choices = menu([listed(A, 100, shown(7)), listed(B, 200, shown(7))])

    assert [choice.best.server for choice in choices] == [A, B]


def test_first_of_equal_priorities_serves() -> None:
    """Nothing but a higher priority takes an image from who answered first."""
    (choice,) = menu([listed(A, 100, shown(5000)), listed(B, 100, shown(5000))])

    assert choice.best.server == A


def test_selected_image_is_preferred() -> None:
    """What the user chose before goes before any default, whatever the priorities."""
    choices = menu([listed(A, 900, shown(1, default=True)), listed(B, 1, shown(2, selected=True))])

    choice = preferred(choices)

    assert choice is not None
    assert choice.best.server == B


def test_default_of_the_highest_priority_is_next() -> None:
    """Without a selection the best server's default boots."""
    choices = menu([listed(A, 1, shown(1, default=True)), listed(B, 9, shown(2, default=True))])

    choice = preferred(choices)

    assert choice is not None
    assert choice.best.server == B


def test_nothing_is_preferred_without_default() -> None:
    """A list without a default has to be chosen from."""
    assert preferred(menu([listed(A, 1, shown(1))])) is None
    assert preferred(()) is None
