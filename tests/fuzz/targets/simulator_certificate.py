"""Any list of topics in a certificate is read or is none, and what is written is read again."""

from __future__ import annotations

from pushd.testing.certificate import decode_topics, encode_topics


def target(data: bytes) -> None:
    topics = decode_topics(data)
    assert decode_topics(encode_topics(topics).value) == topics
