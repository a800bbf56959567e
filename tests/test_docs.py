"""What the documentation says is so: its commands run, its configurations load, its log lines are
written. `tests/docs` holds the reader who does all that."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from images.author import sample_bundle_thd
from images.boot_toml import FILE_NAME, parse_boot_toml
from images.info import parse_info
from images.paths import Refusal
from netbootd.config import Config
from ops.config import parse
from pushd.api.access import ClientsFile
from pushd.config import Config as PushConfig
from tests.docs.gallery import messages, played
from tests.docs.page import Block, blocks, commands, normal, pattern, unkept
from tests.docs.reader import SERVES, reader
from tests.docs.trouble import about_bundles, about_entries, about_starts

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [block for page in PAGES for block in blocks(page)]


def needs_network(page: Path) -> bool:
    return any(
        command.host == "other" or command.user == "#" or SERVES.match(command.text)
        for block in blocks(page)
        if block.language == "console"
        for command in commands(block)
        if command.host != "mac"
    )


def with_commands(network: bool) -> list[Path]:
    return [
        page
        for page in PAGES
        if any(block.language == "console" for block in blocks(page))
        and needs_network(page) is network
    ]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image that the pages call the reader's own."""
    path = tmp_path_factory.mktemp("image") / "HighSierra.nbi"
    keys = {"Name": "Install macOS High Sierra", "Index": 1013}
    sample_bundle_thd(path, root_image_size=12 << 20, keys=keys)
    return path


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.language == "toml"], ids=lambda block: block.place
)
def test_configuration_loads(block: Block) -> None:
    """Every configuration and every boot.toml that is shown is one that its daemon takes."""
    file = Path(block.file or "")
    if file.name == FILE_NAME:
        parse_boot_toml(block.text.encode(), file)
    else:
        settings = {"pushd.toml": PushConfig, "clients.toml": ClientsFile}
        parse(block.text.encode(), settings.get(file.name, Config))


def follow(page: Path, folder: Path, bundle: Path, *, network: bool) -> None:
    with reader(folder, bundle, network=network) as somebody:
        broken = []
        for block in blocks(page):
            if block.language == "console":
                broken += somebody.do(block)
            elif block.file is not None:
                somebody.write(block)
        broken += somebody.finish()

    assert not broken, "\n\n".join(broken)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", with_commands(network=False), ids=lambda page: page.name)
def test_commands(page: Path, tmp_path: Path, bundle: Path) -> None:
    """Each command does what its page says."""
    follow(page, tmp_path, bundle, network=False)


@pytest.mark.parametrize("program", ["netbootctl", "pushctl"])
def test_demo(tmp_path: Path, bundle: Path, program: str) -> None:
    """Anybody can see it work, without root and without a network."""
    (block,) = [block for block in BLOCKS if block.text.startswith(f"$ {program} demo\n")]

    with reader(tmp_path, bundle, network=False) as somebody:
        assert somebody.do(block) == []


@pytest.mark.interop
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", with_commands(network=True), ids=lambda page: page.name)
def test_commands_in_a_network(page: Path, tmp_path: Path, bundle: Path) -> None:
    """Each command does what its page says, with a server and another computer."""
    follow(page, tmp_path, bundle, network=True)


REFUSED = f": {Refusal.NO_FILE.value}"
LIMIT = re.compile(r"^\| .* \| ([\d,]+)(?: (MiB|bytes))? \| `([\w.]+)\.(\w+)` \|$", re.MULTILINE)
UNITS = {"": 1, "bytes": 1, "MiB": 1 << 20}


@pytest.mark.parametrize(
    ("number", "unit", "module", "constant"),
    LIMIT.findall((ROOT / "docs/operations.md").read_text())
    + LIMIT.findall((ROOT / "docs/push-operations.md").read_text()),
)
def test_limit(number: str, unit: str, module: str, constant: str) -> None:
    """Every limit that is listed is the one in the source."""
    value = getattr(importlib.import_module(module), constant)

    assert value == int(number.replace(",", "")) * UNITS[unit]


SETTING = (
    r"\| ([\d,]+ ?(?:KiB|bytes)?)(?: and ([\d,]+)(?: blocks)?)? "
    r"\| settings? `(\w+)\.(\w+)`(?:, `\w+\.(\w+)`)? \|"
)
SETTINGS = [
    (config, *row)
    for config, page in ((Config(), "operations.md"), (PushConfig(), "push-operations.md"))
    for row in re.findall(SETTING, (ROOT / "docs" / page).read_text())
]


@pytest.mark.parametrize(("config", "first", "second", "table", "key", "other"), SETTINGS)
def test_limit_that_is_a_setting(
    config: Config | PushConfig, first: str, second: str, table: str, key: str, other: str
) -> None:
    """Every default that is listed among the limits is the default."""
    settings = getattr(config, table)
    for number, name in ((first, key), (second, other)):
        if name:
            value = int(re.sub(r"\D", "", number)) * (1024 if "KiB" in number else 1)
            assert value == getattr(settings, name)


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.language == "xml"], ids=lambda block: block.place
)
def test_property_list_is_read(block: Block) -> None:
    """Every NBImageInfo.plist that is shown is read without a word of complaint."""
    assert parse_info(block.text.encode(), Path(block.place)).warnings == ()


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> set[str]:
    """What a daemon that went through everything wrote."""
    return {normal(line) for line in messages(played(tmp_path_factory.mktemp("log"), bundle))}


@pytest.mark.interop
@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.language == "log"], ids=lambda block: block.place
)
def test_log_lines_are_written(block: Block, log: set[str]) -> None:
    """Every line of the log that is quoted is one that the daemon writes."""
    quoted = messages(block.text.splitlines())

    unknown = [
        line for line in quoted if not any(re.fullmatch(pattern(line), written) for written in log)
    ]

    assert not unknown, "\n".join(unknown)


def complaints(page: str) -> list[str]:
    """The first column of the tables that are headed `it says`, or have a stage before it."""
    tables = re.findall(
        r"^\| (?:stage \| )?it says \|.*\n\|---.*\n((?:\|.*\n)+)",
        (ROOT / "docs" / page).read_text(),
        re.MULTILINE,
    )
    rows = [row for table in tables for row in table.splitlines()]
    column = 2 if page == "simulate.md" else 1
    return [row.split(" | ")[column - 1].strip("| `") for row in rows]


def unsaid(page: str, said: list[str]) -> list[str]:
    """What the page has in its table and nobody `said`."""
    known = "\n".join(normal(text) for text in said)
    wanted = {text: pattern(text.replace("…", "...")) for text in complaints(page)}
    assert wanted
    return [text for text, regex in wanted.items() if not re.search(regex, known)]


def test_complaints_about_bundles(tmp_path: Path) -> None:
    """Every complaint about a bundle that is listed is made, in these words."""
    assert unsaid("serve-images.md", list(about_bundles(tmp_path))) == []


def test_complaints_about_entries(tmp_path: Path) -> None:
    """Likewise of a boot entry."""
    assert unsaid("boot-a-pc.md", list(about_entries(tmp_path))) == []


def test_complaints_about_starts(tmp_path: Path) -> None:
    """Every reason not to start that is listed is given, in these words."""
    assert unsaid("troubleshoot.md", list(about_starts(tmp_path))) == []


def said_in(*sources: Path) -> str:
    """The texts in parts of the program."""
    return "\n".join(
        node.value
        for source in sources
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def test_findings_of_a_check() -> None:
    """Every finding that is listed is in the program, in these words. Its remedy follows a `;`."""
    words = said_in(ROOT / "netbootd/check.py", *(ROOT / "netbootd/coexist").glob("*.py"))
    text = (ROOT / "docs/troubleshoot.md").read_text()
    table = re.search(r"^\| finding \|.*\n\|---.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert table
    findings = [
        finding
        for row in table[1].splitlines()
        for finding in re.findall("`([^`]+)`", row.split(" | ")[0])
    ]
    parts = [part.strip() for finding in findings for part in re.split(";? ?…|67", finding)]

    assert len(findings) >= 8
    assert [part for part in parts if part not in words] == []


def test_log_lines_of_pushd() -> None:
    """Every line of pushd's log that is listed is in the program, in these words."""
    words = said_in(*(ROOT / "pushd").rglob("*.py"), *(ROOT / "ops").glob("*.py"))
    parts = [part for line in complaints("push-operations.md") for part in line.split("…")]

    assert len(parts) >= 20
    assert [part for part in parts if part.strip() not in words] == []


def test_complaints_of_the_simulated_mac() -> None:
    """Every way to fail that is listed is in the program, in these words."""
    words = said_in(*(ROOT / "netbootd/simulate").glob("*.py"))
    parts = [part for text in complaints("simulate.md") for part in re.split(r"…|[0-9]+", text)]

    assert [part for part in parts if part.strip() not in words + REFUSED] == []


class TestPromises:
    """The comparison itself can fail."""

    @pytest.mark.parametrize(
        ("promised", "written"),
        [
            (["ready in 1.2 s"], "ready in 30 ms\n"),
            (["...", "last"], "first\nsecond\nlast\n"),
            (["port 67 ..."], "port 67 is free\n"),
            (["a", "..."], "a\n"),
            ([], "whatever\n"),
        ],
    )
    def test_kept(self, promised: list[str], written: str) -> None:
        """Numbers may differ, and `...` is anything."""
        assert unkept(promised, written) is None

    @pytest.mark.parametrize(
        ("promised", "written"),
        [
            (["ready"], ""),
            (["ready"], "almost ready\n"),
            (["first", "third"], "first\nsecond\nthird\n"),
            (["first"], "first\nsecond\n"),
            (["b", "...", "a"], "a\nb\n"),
        ],
    )
    def test_broken(self, promised: list[str], written: str) -> None:
        """Another word, a missing line and one too many are told."""
        assert unkept(promised, written) is not None
