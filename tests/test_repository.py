"""What the repository promises about itself, and what no other test would notice."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import netbootd
from tests.interop.peer import FILES, PACKAGES

ROOT = Path(__file__).parent.parent
OURS = ("netbootd", "pushd", "protocols", "images", "ops")
TOOLS = Path(sys.executable).parent


def tracked(*patterns: str) -> list[Path]:
    """The files under version control, or all but the obvious when this is no checkout."""
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def sources(*packages: str) -> list[Path]:
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


class TestReadme:
    """The README's two commands are all that a reader needs to type."""

    @staticmethod
    def blocks() -> list[str]:
        readme = (ROOT / "README.md").read_text()
        return re.findall(r"^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)

    @pytest.mark.parametrize("number", [0, 1])
    def test_command_is_one_line(self, number: int) -> None:
        """A command is copied with one gesture and runs as one."""
        lines = self.blocks()[number].splitlines()

        assert [line for line in lines[:-1] if not line.endswith(("&& \\", "&&"))] == []

    @pytest.mark.parametrize("number", [0, 1])
    def test_command_needs_nothing_installed(self, number: int) -> None:
        """Each command makes its own environment, so that either may be the first."""
        command = self.blocks()[number]

        assert "python3 -m venv .venv" in command
        assert ".venv/bin/pip install" in command

    def test_second_command_runs_every_test(self) -> None:
        """The second command installs what tests need and leaves none out."""
        command = self.blocks()[1].strip()

        assert "[dev]" in command
        assert re.search(r"pytest( -q)?$", command)


class TestDocumentation:
    """Documents point at what is there."""

    @pytest.mark.parametrize("document", tracked("*.md"), ids=lambda path: path.name)
    def test_links_resolve(self, document: Path) -> None:
        """A link to a file or a heading of this repository leads there."""
        text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
        broken = [
            target
            for target in re.findall(r"\]\(([^)\s]+)\)", text)
            if not target.startswith(("http://", "https://")) and not resolves(document, target)
        ]

        assert broken == []

    def test_broken_link_would_be_found(self, tmp_path: Path) -> None:
        """The check above can fail."""
        document = tmp_path / "a.md"
        document.write_text("# Only Heading\n")

        assert resolves(document, "#only-heading")
        assert not resolves(document, "#other")
        assert not resolves(document, "b.md")


def resolves(document: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    file = document.parent / name if name else document
    if not file.exists():
        return False
    return not anchor or anchor in anchors(file.read_text())


def anchors(text: str) -> set[str]:
    """The anchors that a Markdown viewer makes of headings."""
    headings = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in words}


class TestSources:
    """Rules of the house that the linters do not know."""

    def test_no_path_of_one_machine(self) -> None:
        """Nothing here depends on, or tells of, where somebody's checkout lies."""
        folders = "|".join(("work", "root"))
        pattern = re.compile(rf"(?<![\w.~$}}/-])/({folders})/\w".encode())

        guilty = [
            f"{path.relative_to(ROOT)}: {match[0].decode()}"
            for path in tracked()
            if (match := pattern.search(path.read_bytes()))
        ]

        assert guilty == []

    def test_only_tap_has_the_global_reactor(self) -> None:
        """Everything but the plugin's entry point is given its reactor."""
        guilty = [
            str(path.relative_to(ROOT))
            for path in sources(*OURS)
            if path.name != "tap.py" and imports_reactor(ast.parse(path.read_text()))
        ]

        assert guilty == []

    def test_reactor_import_would_be_found(self) -> None:
        """The check above sees each way to write that import."""
        for line in (
            "from twisted.internet import reactor",
            "import twisted.internet.reactor",
            "def f():\n    from twisted.internet import defer, reactor",
        ):
            assert imports_reactor(ast.parse(line))

    def test_no_package_marker_under_twisted(self) -> None:
        """An __init__.py in the plugin folder would hide Twisted itself."""
        assert list((ROOT / "twisted").rglob("__init__.py")) == []


def imports_reactor(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "twisted.internet":
            names = {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names = {alias.name.rpartition("twisted.internet.")[2] for alias in node.names}
        else:
            continue
        if "reactor" in names:
            return True
    return False


class TestImportContracts:
    """The contracts of pyproject.toml hold, and each of them can be broken."""

    @staticmethod
    def lint(checkout: Path) -> subprocess.CompletedProcess[str]:
        command = [str(TOOLS / "lint-imports"), "--no-cache"]
        return subprocess.run(
            command, cwd=checkout, capture_output=True, text=True, timeout=100, check=False
        )

    @pytest.fixture
    def checkout(self, tmp_path: Path) -> Path:
        for package in OURS:
            shutil.copytree(
                ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        shutil.copy(ROOT / "pyproject.toml", tmp_path)
        return tmp_path

    def test_kept(self, checkout: Path) -> None:
        """As it stands, no import crosses a border."""
        done = self.lint(checkout)

        assert done.returncode == 0, done.stdout

    @pytest.mark.parametrize(
        ("module", "line"),
        [
            ("netbootd", "import pushd"),
            ("pushd", "import netbootd"),
            ("ops", "import netbootd.config"),
            ("images", "import protocols.errors"),
            ("images", "import socket"),
            ("protocols", "import images"),
            ("protocols", "import time"),
            ("protocols", "from twisted.internet import defer"),
        ],
    )
    def test_broken(self, checkout: Path, module: str, line: str) -> None:
        """An import that crosses a border breaks a contract."""
        bad = checkout / module / "bad.py"
        bad.write_text(f"{line}\n")

        done = self.lint(checkout)

        assert done.returncode == 1
        assert f"{module}.bad" in done.stdout


class TestRelease:
    """What is installed is what is here."""

    def test_version(self) -> None:
        """The installed distribution has the version that the package says."""
        assert importlib.metadata.version("netbootd") == netbootd.__version__

    def test_scripts(self) -> None:
        """Every console script leads to a function that is there."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

        for name in project["scripts"]:
            (script,) = importlib.metadata.entry_points(group="console_scripts", name=name)
            assert callable(script.load())

    def test_peers_are_installed_by_ci(self) -> None:
        """Every package that a test asks for is in the list of what CI installs."""
        lines = (ROOT / ".ci" / "packages").read_text().splitlines()

        assert {*PACKAGES.values(), *FILES.values()} <= set(lines)

    def test_news_fragments(self) -> None:
        """The next changelog entry can be made."""
        command = [str(TOOLS / "towncrier"), "build", "--draft", "--version", "next"]

        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

        assert done.returncode == 0, done.stderr
