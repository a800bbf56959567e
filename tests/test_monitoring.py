"""Dashboards, alert rules and the page about them speak of metrics that there are; Prometheus' own
tool reads the rules, and fires each of them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.testing import MemoryReactorClock

from netbootd import config as netbootd_config
from netbootd.service import BootService
from netbootd.world import World
from ops.metrics import exposition
from pushd import config as pushd_config
from pushd.service import PushService
from pushd.world import World as PushWorld
from tests.interop.peer import peer
from tests.netbootd.daemon import LOOPBACK
from tests.netbootd.http.certificate import write_credentials

DOCS = Path(__file__).parent.parent / "docs"
RULES = DOCS / "alerts.yml"
CASES = Path(__file__).parent / "data" / "alerts.test.yml"
DAEMONS = ("netbootd", "pushd")

NETBOOTD = """
[https]
enabled = true
certificate = "certificate.pem"
key = "key.pem"
[network]
addresses = ["127.0.0.0/8"]
[state]
directory = "state"
[metrics]
enabled = true
[pxe]
enabled = true
[dhcp]
enabled = true
[[dhcp.subnet]]
network = "10.0.0.0/24"
pools = ["10.0.0.100-10.0.0.199"]
"""
PUSHD = """
[api]
certificate = "certificate.pem"
key = "key.pem"
anonymous = true
[state]
directory = "state"
[metrics]
enabled = true
[[credential]]
name = "app"
certificate = "certificate.pem"
key = "key.pem"
"""

Known = dict[str, set[str]]
"""The names of samples, with the labels that each has."""


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What each daemon serves with all that there is switched on."""
    folder = tmp_path_factory.mktemp("daemons")
    write_credentials(folder)
    (folder / "netbootd.toml").write_text(NETBOOTD)
    (folder / "pushd.toml").write_text(PUSHD)
    reactor: Any = MemoryReactorClock()
    boot = BootService(
        netbootd_config.load(folder / "netbootd.toml"),
        World(reactor=reactor, interfaces=lambda: (LOOPBACK,)),
    )
    push = PushService(pushd_config.load(folder / "pushd.toml"), PushWorld(reactor=reactor))
    return {"netbootd": exposition(boot.counters)[0], "pushd": exposition(push.counters)[0]}


@pytest.fixture(scope="module")
def known(texts: dict[str, bytes]) -> dict[str, Known]:
    return {daemon: samples(text) for daemon, text in texts.items()}


def samples(text: bytes) -> Known:
    found: Known = {}
    for family in text_string_to_metric_families(text.decode()):
        if not family.samples:  # of credentials, which are not read yet
            found[family.name] = {"credential"}
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


SELECTED = re.compile(r"\b((?:netbootd|pushd|process)_[a-z0-9_]+)\b(?:\{([^}]*)\})?")
GROUPED = re.compile(r"\b(?:by|without) ?\(([^)]*)\)")
OF_PROMETHEUS = {"instance", "job", "le"}
"""Labels that Prometheus itself adds, and that of a histogram."""


def objections(expression: str, known: Known) -> list[str]:
    """What an expression asks for and nobody serves: names, labels."""
    found = []
    has: set[str] = set(OF_PROMETHEUS)
    for name, selector in SELECTED.findall(expression):
        if name not in known:
            found.append(name)
            continue
        has |= known[name]
        labels = set(re.findall(r"(\w+) ?[=!]", selector))
        found += [f"{name}{{{label}}}" for label in labels - known[name] - OF_PROMETHEUS]
    for group in GROUPED.findall(expression):
        found += [f"by {label}" for label in re.findall(r"\w+", group) if label not in has]
    return found


def test_objections_would_be_found() -> None:
    """The check can fail: by a name, by a label, by what is grouped."""
    known = {"pushd_a_total": {"reason"}}

    assert objections("sum by (reason) (rate(pushd_a_total[5m]))", known) == []
    assert objections("pushd_b_total > 1", known) == ["pushd_b_total"]
    assert objections('pushd_a_total{why="x"}', known) == ["pushd_a_total{why}"]
    assert objections("sum by (why) (pushd_a_total)", known) == ["by why"]


@pytest.mark.parametrize("daemon", DAEMONS)
def test_promtool_has_no_objection(daemon: str, texts: dict[str, bytes]) -> None:
    """Every metric is named, typed and explained as Prometheus wants it."""
    done = subprocess.run(
        [peer("promtool"), "check", "metrics"],
        input=texts[daemon],
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("daemon", DAEMONS)
def test_dashboard(daemon: str, known: dict[str, Known]) -> None:
    """Every expression of a dashboard asks for metrics and labels that the daemon serves, and
    every legend for labels that its expression leaves."""
    dashboard = json.loads((DOCS / "grafana" / f"{daemon}.json").read_text())

    targets = [target for panel in dashboard["panels"] for target in panel.get("targets", ())]
    assert len(targets) > 30
    for target in targets:
        expression = target["expr"]
        assert objections(expression, known[daemon]) == [], expression
        grouped = [label for group in GROUPED.findall(expression) for label in group.split(", ")]
        of_names = {
            label for name, _ in SELECTED.findall(expression) for label in known[daemon][name]
        }
        left = set(grouped) if "sum" in expression else of_names | OF_PROMETHEUS
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= left, expression
    for variable in dashboard["templating"]["list"]:
        query = variable["query"]
        assert objections(query if isinstance(query, str) else query["query"], known[daemon]) == []


@pytest.mark.parametrize("daemon", DAEMONS)
def test_promtool_takes_the_dashboards_expressions(daemon: str, tmp_path: Path) -> None:
    """With Grafana's variables filled in, each is an expression of Prometheus."""
    dashboard = json.loads((DOCS / "grafana" / f"{daemon}.json").read_text())
    expressions = [
        target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ]
    file = tmp_path / "rules.yml"
    rules = [{"record": f"test:{n}", "expr": one} for n, one in enumerate(expressions)]
    file.write_text(json.dumps({"groups": [{"name": "test", "rules": rules}]}))

    done = subprocess.run(
        [peer("promtool"), "check", "rules", str(file)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("daemon", DAEMONS)
def test_dashboard_has_room_for_each_panel(daemon: str) -> None:
    """No panel covers another, none is wider than the page, each has a number of its own."""
    panels = json.loads((DOCS / "grafana" / f"{daemon}.json").read_text())["panels"]

    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule | {"daemon": group["name"]} for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_rule(rule: dict[str, Any], known: dict[str, Known]) -> None:
    """A rule asks for what its daemon serves, and leads to a section that says what to do."""
    assert objections(rule["expr"], known[rule["daemon"]]) == []
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^### (.+)$", (DOCS / page).read_text(), re.MULTILINE)
    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}


def test_promtool_takes_the_rules() -> None:
    """They are rules."""
    command = [peer("promtool"), "check", "rules", str(RULES)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_each_rule_fires_and_rests() -> None:
    """Each alert fires in the case that it is for, and none where all is well."""
    command = [peer("promtool"), "test", "rules", str(CASES)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    cases = yaml.safe_load(CASES.read_text())["tests"]
    fired = {
        check["alertname"]
        for case in cases
        for check in case["alert_rule_test"]
        if check.get("exp_alerts")
    }
    rested = {
        check["alertname"]
        for case in cases
        for check in case["alert_rule_test"]
        if not check.get("exp_alerts")
    }
    names = {rule["alert"] for rule in rules()}
    assert fired == names
    assert rested == names


def test_the_page(known: dict[str, Known]) -> None:
    """Every metric that the page names is there, with its labels."""
    page = (DOCS / "monitoring.md").read_text()
    everything = known["netbootd"] | known["pushd"]
    histograms = {name.removesuffix("_bucket") for name in everything if name.endswith("_bucket")}

    named = re.findall(r"`((?:netbootd|pushd|process)_[a-z0-9_]+)(?:\{(\w+)\})?`", page)
    assert len(named) > 25
    for name, label in named:
        assert name in everything or name in histograms, name
        assert not label or label in everything[name], name


def test_the_configuration_of_prometheus(tmp_path: Path) -> None:
    """What the page has in prometheus.yml is a configuration, and its jobs are the rules'."""
    (block,) = re.findall(
        r"^```yaml\n(.*?)^```$", (DOCS / "monitoring.md").read_text(), re.MULTILINE | re.DOTALL
    )
    file = tmp_path / "prometheus.yml"
    file.write_text(block.replace("/etc/prometheus/alerts.yml", str(RULES)))

    done = subprocess.run(
        [peer("promtool"), "check", "config", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    jobs = {job["job_name"] for job in yaml.safe_load(block)["scrape_configs"]}
    asked = set(re.findall(r'job="(\w+)"', RULES.read_text()))
    assert jobs == asked == set(DAEMONS)
