"""Whatever stands in a certificate for its list of topics, it is read, or refused as malformed."""

from __future__ import annotations

from pushd.der import DerError, topics_in


def target(data: bytes) -> None:
    try:
        topics = topics_in(data)
    except (DerError, UnicodeDecodeError):
        return
    assert sum(len(topic.encode()) for topic in topics) <= len(data)
