"""What Prometheus reads: by Prometheus' own tool, over a real port."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families
from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from ops.config import ConfigError, parse
from ops.counter import Counters
from ops.metrics import MetricsSettings, exposition
from ops.metrics_service import BEAT, BEATS, Lateness, MetricsService
from tests.interop.peer import peer
from tests.netbootd.temporary import folder


def counted() -> Counters:
    """One of each kind."""
    counters = Counters()
    counters.counter("test_things_total", "Things").inc(3)
    by_colour = counters.family("test_balls_total", "Balls.", "colour", ["red", "green"])
    by_colour["red"].inc()
    counters.counter("test_small_total", "Small ones.").inc(5)
    counters.group(
        "test_sizes_total", "Sizes", "size", {"small": "test_small_total", "large": "test_gone"}
    )
    counters.gauge("test_level_metres", "Level", lambda: 1.5)
    counters.gauge("test_absent_metres", "Level", lambda: None)
    counters.gauge("test_age_seconds", "Age.", lambda: {"a": 1, "b": 2}, label="who")
    fast = counters.counter("test_within_1_s_total", "Fast")
    fast.inc(2)
    counters.histogram(
        "test_answer_seconds",
        "Time",
        buckets=lambda: [(1.0, 2), (None, 1)],
        total=lambda: 4.5,
        members=["test_within_1_s_total"],
    )
    return counters


def samples(text: str) -> dict[str, float]:
    found = {}
    for family in families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_each_kind() -> None:
    """Counters, families, gauges and histograms have their values, each of them once."""
    text, kind = exposition(counted())

    found = {name: v for name, v in samples(text.decode()).items() if name.startswith("test_")}
    assert found == {
        "test_things_total": 3,
        "test_balls_total{colour=red}": 1,
        "test_balls_total{colour=green}": 0,
        "test_sizes_total{size=small}": 5,
        "test_level_metres": 1.5,
        "test_age_seconds{who=a}": 1,
        "test_age_seconds{who=b}": 2,
        "test_answer_seconds_bucket{le=1.0}": 2,
        "test_answer_seconds_bucket{le=+Inf}": 3,
        "test_answer_seconds_count": 3,
        "test_answer_seconds_sum": 4.5,
    }
    assert kind.startswith("text/plain; version=0.0.4")


def test_this_process() -> None:
    """Memory, files and time of the processor have the names that every program gives them."""
    text, _ = exposition(Counters())

    found = samples(text.decode())
    assert found["process_resident_memory_bytes"] > 1 << 20
    assert 0 < found["process_open_fds"] < found["process_max_fds"]
    assert found["process_cpu_seconds_total"] > 0
    assert found["process_start_time_seconds"] > 1_600_000_000


def test_open_metrics_for_whom_asks() -> None:
    """The newer form is given to a Prometheus that says it likes it."""
    text, kind = exposition(counted(), "application/openmetrics-text;version=1.0.0")

    assert kind.startswith("application/openmetrics-text")
    assert any(family.name == "test_things" for family in open_families(text.decode()))


def test_promtool_has_no_objection() -> None:
    """Names, types and help texts are as Prometheus wants them."""
    text, _ = exposition(counted())

    done = subprocess.run(
        [peer("promtool"), "check", "metrics"], input=text, capture_output=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_snapshot_stays_flat() -> None:
    """What is a family for Prometheus has a name each for everybody else."""
    snapshot = counted().snapshot()

    assert snapshot["test_balls_red_total"] == 1
    assert snapshot["test_small_total"] == 5


def test_an_address_that_is_none() -> None:
    """The error names the key."""
    with pytest.raises(ConfigError) as caught:
        parse(b'addresses = ["localhost"]', MetricsSettings)

    assert caught.value.key == "addresses[0]"


def test_it_is_not_imported_before_it_is_asked() -> None:
    """A daemon whose metrics are off does without prometheus_client and Twisted's web server."""
    script = (
        "import sys, netbootd.tap, pushd.tap\n"
        "print([name for name in sys.modules if name in"
        " ('prometheus_client', 'twisted.web', 'ops.metrics_service')])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"


def test_lateness() -> None:
    """The worst of the last minute is told, and forgotten after it."""
    clock = Clock()
    lateness = Lateness(clock)
    lateness.start()

    clock.advance(BEAT)
    assert lateness.worst() == 0.0

    clock.advance(BEAT + 2.0)
    assert lateness.worst() == 2.0

    clock.pump([BEAT] * BEATS)
    assert lateness.worst() == 0.0
    lateness.stop()
    assert clock.getDelayedCalls() == []


class ServiceTests(TestCase):
    """On real sockets, with curl's counterpart of the standard library."""

    timeout = 60

    def setUp(self) -> None:
        self.here = folder(self)
        settings = MetricsSettings(enabled=True, port=0)
        self.service = MetricsService(reactor, settings, counters=counted(), daemon="test")
        self.service.privilegedStartService()
        self.service.startService()
        self.addCleanup(self.service.stopService)

    async def ask(self, path: str, *options: str) -> str:
        ((host, port),) = self.service.bound
        command = [peer("curl"), "--silent", "--include", *options, f"http://{host}:{port}{path}"]
        done: Any = await deferToThread(
            subprocess.run, command, capture_output=True, text=True, check=False
        )
        return str(done.stdout)

    async def test_metrics(self) -> None:
        """GET /metrics has all values, and says how the reactor does."""
        answer = await self.ask("/metrics")

        head, _, body = answer.partition("\n\n")
        assert head.startswith("HTTP/1.1 200 ")
        assert samples(body)["test_things_total"] == 3
        assert "test_reactor_lag_seconds" in samples(body)

    async def test_all_else(self) -> None:
        """Nothing else is there, and nothing can be changed."""
        assert (await self.ask("/")).startswith("HTTP/1.1 404 ")
        assert (await self.ask("/metrics", "--data", "x")).startswith("HTTP/1.1 405 ")

    async def test_start_stop_start(self) -> None:
        """It survives a stop, and its port is free then."""
        await self.service.stopService()
        assert self.service.bound == []

        self.service.privilegedStartService()
        self.service.startService()

        assert (await self.ask("/metrics")).startswith("HTTP/1.1 200 ")

    def test_a_port_that_is_taken(self) -> None:
        """It is an OSError, as of every service here."""
        ((_, port),) = self.service.bound
        settings = MetricsSettings(enabled=True, port=port)
        other = MetricsService(reactor, settings, counters=Counters(), daemon="test")

        with pytest.raises(OSError, match="in use"):
            other.privilegedStartService()
        assert other.bound == []
