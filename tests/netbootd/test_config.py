"""netbootd's settings: defaults that are safe, an example that is true, errors that help."""

from __future__ import annotations

import os
import re
from ipaddress import IPv4Address
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from netbootd.config import Config, InterfaceSettings, Share, StateSettings, example, load
from netbootd.config import state_directory as directory_of
from netbootd.dhcp.settings import DhcpSettings
from netbootd.pxe.settings import PxeSettings
from ops.config import ConfigError, anchored, describe, parse
from ops.example import field_texts

EXAMPLE = Path(__file__).parents[2] / "docs" / "netbootd.example.toml"
HERE = Path("/etc/netbootd")


def structs(settings: type[Struct] = Config) -> list[type[Struct]]:
    """Every table that the configuration has."""
    found = [settings]
    for field in msgspec.structs.fields(settings):
        for hint in (field.type, *getattr(field.type, "__args__", ())):
            parts = [hint, *getattr(hint, "__args__", ())]
            found += [
                s
                for part in parts
                if isinstance(part, type) and issubclass(part, Struct)
                for s in structs(part)
            ]
    return list(dict.fromkeys(found))


def problem(document: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(document.encode(), Config)
    return str(caught.value)


def test_the_example_in_the_docs_is_the_generated_one() -> None:
    """`docs/netbootd.example.toml` is what `netbootctl config example` prints."""
    assert EXAMPLE.read_text() == example()


def test_the_example_is_the_defaults() -> None:
    """Running with the example is running without a configuration file, from the same folder."""
    assert anchored(parse(EXAMPLE.read_bytes(), Config), HERE) == anchored(Config(), HERE)


def test_every_line_of_the_example_can_be_switched_on() -> None:
    """With the comment signs of all examples taken away the file is valid, and has every key."""
    document = re.sub(r"^#(?=\S)", "", EXAMPLE.read_text(), flags=re.MULTILINE)

    settings = parse(document.encode(), Config)

    assert settings.https.certificate == Path("/etc/netbootd/tls/certificate.pem")
    assert settings.on("en0").priority == 40000
    written = set(re.findall(r"^(?:# Instead of mac: )?([a-z0-9_-]+) =", document, re.MULTILINE))
    for struct in structs():
        tables = {f.encode_name for f in msgspec.structs.fields(struct)} - written
        assert all(f"[{name}" in document or f".{name}]" in document for name in tables)


def test_https_boot_needs_https() -> None:
    """Firmware is never told a URL that nobody serves."""
    with pytest.raises(ConfigError, match=r"^pxe.scheme: is https, which is not served; enable"):
        parse(b"pxe.scheme = 'https'", Config)


def test_every_setting_is_explained() -> None:
    """Each key has a text, each table one of its own, and each type a description for errors."""
    tables = structs()
    assert {Config, Share, DhcpSettings, PxeSettings} <= set(tables)
    for struct in tables:
        texts = field_texts(struct)
        assert struct.__doc__
        for field in msgspec.structs.fields(struct):
            assert describe(field.type)
            is_table = not isinstance(field.default, Struct) and field.name != "interface"
            assert not is_table or texts[field.name].endswith((".", ":", "]."))


def test_without_a_file_images_of_the_working_folder_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default share is ./images, as NetBootSP0."""
    monkeypatch.chdir(tmp_path)

    assert load(None).images.shares == (Share(path=tmp_path / "images", name="NetBootSP0"),)


@pytest.mark.parametrize(
    ("address", "served"),
    [
        ("10.1.2.3", True),
        ("172.31.255.254", True),
        ("192.168.0.1", True),
        ("169.254.10.20", True),
        ("127.0.0.1", False),
        ("172.32.0.1", False),
        ("8.8.8.8", False),
        ("100.64.0.1", False),
        ("192.0.2.1", False),
    ],
)
def test_by_default_only_private_addresses_are_served(address: str, served: bool) -> None:
    """An open LAN is served, the internet side never, loopback only if named."""
    assert Config().network.serves("en0", IPv4Address(address)) is served


def test_interfaces_are_chosen_by_pattern_and_excluded_by_pattern() -> None:
    """Exclusion wins over inclusion; the address has to fit as well."""
    network = parse(
        b'[network]\ninterfaces = ["en*", "br0"]\nexclude = ["en1?"]\n'
        b'addresses = ["203.0.113.0/24"]',
        Config,
    ).network

    address = IPv4Address("203.0.113.5")
    names = ("en0", "en1", "en10", "br0", "wlan0")
    assert [name for name in names if network.serves(name, address)] == ["en0", "en1", "br0"]
    assert not network.serves("en0", IPv4Address("10.0.0.1"))


def test_an_interface_has_its_own_settings() -> None:
    """A table named after an interface applies there, defaults apply elsewhere."""
    config = parse(b'[interface.en0]\nhttp = false\nserver_address = "10.0.0.9"', Config)

    assert config.on("en0") == InterfaceSettings(http=False, server_address=IPv4Address("10.0.0.9"))
    assert config.on("en1") == InterfaceSettings()


@pytest.mark.parametrize(
    ("document", "line"),
    [
        ("[bsdp]\nprioriti = 1", "bsdp.prioriti: is not a setting; did you mean `priority`?"),
        ("[tftp]\nmax_blksize = 70000", "a whole number from 512 to 65464"),
        ("[http]\nidle_timeout = 75", 'such as "500ms", "30s", "5m" or "1h", from 1s to 1h'),
        ("[https]\nenabled = true", "https.certificate: is missing; name a PEM file, or set"),
        ('[https]\nminimum_version = "SSLv3"', 'give "TLSv1.2", "TLSv1.2OrLater", '),
        ('[nfs]\nserver = "10.0.0.1"', "nfs.export: is missing; name the exported path"),
        ('[nfs]\nexport = "relative"', "give an absolute path of up to 128 characters"),
        ('[bsdp]\nmachine_name_format = "Mac"', 'a text with one %d, such as "NetBoot%03d"'),
        ('[bsdp]\nmachine_name_format = "%s%d"', 'a text with one %d, such as "NetBoot%03d"'),
        ('[bsdp]\nallow = ["00:16"]', 'bsdp.allow[0]: "00:16" is not possible; give an Ethernet'),
        ('[bsdp]\npriority = "high"', 'give "auto" or a whole number from 0 to 65535'),
        ("[images]\nshare = []", "images.share: is empty; name at least one folder of images"),
        (
            "[images]\nshare = [{path='a'}, {path='b'}]",
            'images.share[1].name: "NetBootSP0" is taken; give each share a name of its own',
        ),
        (
            "[images]\nshare = [{path='a', name='../x'}]",
            "give 1 to 32 letters, digits, dots, dashes or underlines",
        ),
    ],
)
def test_what_is_impossible_is_refused_with_a_remedy(document: str, line: str) -> None:
    """The line names the key and what would be right."""
    assert line in problem(document)


@pytest.mark.skipif(os.name == "nt", reason="folders of a POSIX system")
def test_the_state_folder_is_where_the_system_keeps_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As configured; /var/lib for root; the user's state folder for others, as XDG has it."""
    assert directory_of(StateSettings(directory=Path("/x"))) == Path("/x")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert directory_of(StateSettings()) == Path("/var/lib/netbootd")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/home/a/state")
    assert directory_of(StateSettings()) == Path("/home/a/state/netbootd")
    monkeypatch.setenv("HOME", "/home/a")
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_STATE_HOME", ignored)
        assert directory_of(StateSettings()) == Path("/home/a/.local/state/netbootd")
