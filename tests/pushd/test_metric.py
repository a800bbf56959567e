"""What Prometheus is told of pushes, by a daemon that delivers them."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pushd.testing import Rule
from pushd.testing.background import Background, simulator_in_background
from tests.netbootd.daemon import free_port
from tests.pushd.daemon import Site, device, pushes, wait_until


@pytest.fixture
def apple() -> Iterator[Background]:
    with simulator_in_background() as background:
        yield background


class Measured(Site):
    """With metrics on a port of their own."""

    def __init__(self, folder: Path, apple: Background) -> None:
        super().__init__(folder, apple)
        self.port = free_port(socket.SOCK_STREAM)
        self.add("metrics", f"enabled = true\nport = {self.port}")

    def told(self) -> dict[str, float]:
        """All samples, by name and label."""
        url = f"http://127.0.0.1:{self.port}/metrics"
        with urllib.request.urlopen(url, timeout=60) as answer:
            text = answer.read().decode()
        return {
            sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@pytest.fixture
def site(tmp_path: Path, apple: Background) -> Measured:
    return Measured(tmp_path, apple)


def test_what_became_of_pushes(site: Measured) -> None:
    """Outcomes, reasons, types and the time that Apple took; the queue is empty in the end."""
    site.apple.run(
        lambda apple: apple.rules.add(
            Rule(prefix=device(2), status=410, reason="Unregistered", timestamp=1_700_000_000_000)
        )
    )

    with site.daemon() as daemon:
        before = site.told()
        daemon.api().batch(pushes(20))
        wait_until(lambda: daemon.api().json("GET", "/v1/health")[1]["waiting"] == 0)
        wait_until(lambda: site.told()["pushd_outcomes_total accepted"] == 19)
        after = site.told()

    assert before["pushd_outcomes_total accepted"] == 0
    assert before["pushd_queue_oldest_push_age_seconds"] == 0
    assert after["pushd_outcomes_total rejected"] == 1
    assert after["pushd_rejections_total Unregistered"] == 1
    assert after["pushd_settled_pushes_total alert"] == 20
    assert after["pushd_answers_total accepted"] == 19
    assert after["pushd_answers_total unregistered"] == 1
    assert after["pushd_answer_seconds_count"] == 20
    assert 0 < after["pushd_answer_seconds_sum"] < 20 * 120
    assert after["pushd_queue_waiting_pushes"] == 0
    assert after["pushd_open_connections"] >= 1
    assert after["pushd_credential_usable app"] == 1
    left = after["pushd_credential_expiry_timestamp_seconds app"] - time.time()
    assert left > 86_400


def test_pushes_that_wait(site: Measured) -> None:
    """With nobody at the far end pushes wait, their age grows, and no connection is open."""
    there, nowhere = f"port = {site.apple.port}", f"port = {free_port(socket.SOCK_STREAM)}"
    site.settings["apple"] = site.settings["apple"].replace(there, nowhere)

    with site.daemon() as daemon:
        daemon.api().batch(pushes(3))
        wait_until(lambda: site.told()["pushd_queue_oldest_push_age_seconds"] > 0)
        wait_until(lambda: site.told()["pushd_stopped_lanes"] == 1)
        found = site.told()

    assert found["pushd_queue_waiting_pushes"] == 3
    assert found["pushd_open_connections"] == 0
