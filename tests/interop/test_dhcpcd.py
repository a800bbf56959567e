"""dhcpcd as a BSDP client: DHCPINFORM with option 43, answers judged by its own parser."""

from __future__ import annotations

import pytest

from tests.interop.bundle import Bundle
from tests.interop.client import dhcpcd_list, dhcpcd_select
from tests.interop.conftest import Lan
from tests.interop.daemon import Daemon

pytestmark = pytest.mark.interop


def test_list(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """dhcpcd is shown the server's image."""
    learned = dhcpcd_list(lan.client, lan.client_interface)

    vendor = bytes.fromhex(learned["new_vendor_encapsulated_options"])
    assert vendor.startswith(bytes((1, 1, 1)))  # message type LIST
    entry = sierra.image_id + bytes((len(sierra.title),)) + sierra.title.encode()
    assert bytes((9, len(entry))) + entry in vendor
    assert bytes((7, 4)) + sierra.image_id in vendor  # the default image
    assert learned["new_vendor_class_identifier"] == "AAPLBSDPC"
    assert learned["new_dhcp_server_identifier"] == lan.address


def test_select(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """dhcpcd selects the image and is told boot file, server name and root path."""
    learned = dhcpcd_select(lan.client, lan.client_interface, lan.address, sierra.image_id)

    vendor = bytes.fromhex(learned["new_vendor_encapsulated_options"])
    assert vendor.startswith(bytes((1, 1, 2)))  # message type SELECT
    assert bytes((8, 4)) + sierra.image_id in vendor
    assert learned["new_filename"] == "/private/tftpboot/NetBoot/NetBootSP0/Sierra.nbi/i386/booter"
    root = f"http://{lan.address}/NetBoot/NetBootSP0/Sierra.nbi/NetInstall.dmg"
    assert learned["new_root_path"] == root
    assert learned["new_server_name"]


def test_select_of_an_unknown_image_fails(lan: Lan, daemon: Daemon, sierra: Bundle) -> None:
    """An image that is not there is answered with FAILED."""
    unknown = bytes((0x81, 0, 0, 9))

    learned = dhcpcd_select(lan.client, lan.client_interface, lan.address, unknown)

    assert learned["new_vendor_encapsulated_options"].startswith("010103")
    assert "new_filename" not in learned
