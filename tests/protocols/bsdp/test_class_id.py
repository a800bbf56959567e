"""Class identifiers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.bsdp.class_id import ClassId, parse_class_id
from tests.protocols.bsdp.vectors import Vector, name, vectors


@pytest.mark.parametrize("vector", vectors("class_id"), ids=name)
def test_vector(vector: Vector) -> None:
    """What Apple's server takes for BSDP, and as which machine, we do."""
    parsed = parse_class_id(bytes.fromhex(vector["hex"]))

    if vector.get("expect") == "not BSDP":
        assert parsed is None
    else:
        expected = vector["decode"]
        assert parsed == ClassId(arch=expected["arch"], system_id=expected["sysid"])


@pytest.mark.parametrize("arch", ["ppc", "i386", "x86_64", "arm", "arm64", ""])
def test_every_architecture_is_taken(arch: str) -> None:
    """Any text is an architecture, those that Apple never sent too."""
    class_id = ClassId(arch=arch, system_id="iMac14,2")

    assert parse_class_id(class_id.packed) == class_id


@given(st.binary(max_size=40))
def test_what_is_taken_is_written_again(rest: bytes) -> None:
    """Names that are not UTF-8 survive, so that models can be compared byte for byte."""
    data = b"AAPLBSDPC/" + rest

    parsed = parse_class_id(data)

    assert parsed is None or parsed.packed == data
    assert (parsed is not None) == (b"/" in rest and b"\n" not in rest and b"\0" not in rest)


@given(st.binary(max_size=20))
def test_anything_is_parsed_or_refused(data: bytes) -> None:
    """No bytes raise."""
    assert parse_class_id(data) is None or data.startswith(b"AAPLBSDPC")
