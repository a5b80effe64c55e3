"""The rules of the house that a reader would otherwise have to remember."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("services", "shared", "deploy")
LONGEST_FILE, LONGEST_FUNCTION = 300, 60


def sources() -> Iterator[Path]:
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            if "versions" not in file.parts:
                yield file


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_files_and_functions_stay_small() -> None:
    long_files = [str(file) for file in sources() if len(file.read_text().splitlines()) > LONGEST_FILE]
    long_functions = [
        f"{file}:{node.name}"
        for file in sources()
        for node in functions(file)
        if (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    ]
    assert (long_files, long_functions) == ([], [])


def test_every_module_says_what_it_is() -> None:
    silent = [
        str(file.relative_to(ROOT))
        for file in sources()
        if file.read_text().strip() and not ast.get_docstring(ast.parse(file.read_text()))
    ]
    assert silent == []


def test_only_the_door_and_the_inbox_commit() -> None:
    found = [str(f) for f in sources() if f.parts[-3] != "shared" and re.search(r"\.commit\(\)", f.read_text())]
    allowed = {"database.py"}
    assert [f for f in found if Path(f).name not in allowed] == []


def cuts_days_by_default(source: str) -> bool:
    """Whether it leaves to `shared.clock` in which time zone a day begins, which is then Tokyo's."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return any(
        re.search(r"\b(day_of|start_of_day)$", ast.unparse(call.func)) and len(call.args) + len(call.keywords) < 2
        for call in calls
    )


def test_services_cut_days_in_the_company_s_zone() -> None:
    assert [
        str(file) for file in sources() if "services" in file.parts and cuts_days_by_default(file.read_text())
    ] == []
    assert cuts_days_by_default("today = clock.day_of(now)")
    assert cuts_days_by_default("at = max(start_of_day(due), now)")
    assert not cuts_days_by_default("today = clock.day_of(now, zone)")
    assert not cuts_days_by_default("at = start_of_day(due, zone=zone)")


def test_nothing_is_left_for_later() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    assert [str(file) for file in sources() if words.search(file.read_text())] == []


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "deploy/local/kafka.lock"])
def test_locks_carry_no_addresses(name: str) -> None:
    assert "://" not in (ROOT / name).read_text()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_by_hash(name: str) -> None:
    text = (ROOT / name).read_text()
    pinned = re.findall(r"^[a-z0-9][^\s=]*==\S+", text, re.MULTILINE)
    assert len(pinned) > 30
    for block in re.split(r"\n(?=[a-z0-9])", text):
        assert "--hash=sha256:" in block or not block.strip(), block[:80]
