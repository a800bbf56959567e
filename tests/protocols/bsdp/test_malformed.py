"""No bytes bring anything out of this package but its outcomes and DecodeError."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets import bsdp_client, bsdp_request, bsdp_vendor
from tests.protocols.bsdp.vectors import vectors

REQUESTS = [bytes.fromhex(v["request_hex"]) for v in vectors("exchange")]
REPLIES = [bytes.fromhex(v["reply_hex"]) for v in vectors("exchange") if v["reply_hex"]]
AREAS = [bytes.fromhex(v["hex"]) for v in vectors("opt43")]


def mutated(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """A seed with bytes replaced, cut out, or repeated, mostly in its options."""

    def apply(seed: bytes, at: float, removed: int, put: bytes) -> bytes:
        start = int(at * len(seed))
        return seed[:start] + put + seed[start + removed :]

    return st.builds(
        apply,
        st.sampled_from(seeds),
        st.floats(0, 1),
        st.integers(0, 8),
        st.binary(max_size=8),
    )


@given(mutated(AREAS))
def test_vendor_options(data: bytes) -> None:
    """The invariant of the fuzz target holds for every small change of real data."""
    bsdp_vendor.target(data)


@given(mutated(REQUESTS))
def test_requests(data: bytes) -> None:
    """The invariant of the fuzz target holds for every small change of a real request."""
    bsdp_request.target(data)


@given(mutated(REPLIES))
def test_replies(data: bytes) -> None:
    """The invariant of the fuzz target holds for every small change of a real reply."""
    bsdp_client.target(data)
