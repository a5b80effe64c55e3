"""The rules of the house that a reader would otherwise have to remember.

Each is a function over source texts that names the offenders, so that it can be shown what it would catch.
"""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("services", "shared", "deploy")
LONGEST_FILE, LONGEST_FUNCTION = 300, 60
COMMITTERS = {
    "shared/line.py": "the one transaction of a write and of a batch of events",
    "shared/messaging/consumer.py": "Kafka's own offsets, for lag tools",
}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
DAY_CUTTERS = ("day_of", "start_of_day")

Tree = Mapping[str, str]
"""Source texts by their path from the root."""


@cache
def house() -> Tree:
    files = [file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py")) if "versions" not in file.parts]
    assert len(files) > 300
    return {file.relative_to(ROOT).as_posix(): file.read_text() for file in files}


def calls(text: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the last part of what is called."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func).rpartition(".")[2], node


def long_files(tree: Tree) -> list[str]:
    return [path for path, text in tree.items() if len(text.splitlines()) > LONGEST_FILE]


def long_functions(tree: Tree) -> list[str]:
    return [
        f"{path}:{node.name}"
        for path, text in tree.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    ]


def silent(tree: Tree) -> list[str]:
    return [path for path, text in tree.items() if text.strip() and not ast.get_docstring(ast.parse(text))]


def committing(tree: Tree) -> list[str]:
    return [
        path
        for path, text in tree.items()
        if path not in COMMITTERS
        and any(isinstance(call.func, ast.Attribute) and name == "commit" for name, call in calls(text))
    ]


def unfinished(tree: Tree) -> list[str]:
    return [path for path, text in tree.items() if UNFINISHED.search(text)]


def cutting_days_anywhere(tree: Tree) -> list[str]:
    """Services that leave to `shared.clock` in which time zone a day begins, which is then Tokyo's."""
    return [
        path
        for path, text in tree.items()
        if path.startswith("services/")
        and any(name in DAY_CUTTERS and len(call.args) + len(call.keywords) < 2 for name, call in calls(text))
    ]


def unpinned(requirements: str) -> list[str]:
    """Requirements without an exact version or a hash."""
    blocks = [block for block in re.split(r"\n(?=\S)", requirements) if block.strip() and not block.startswith("#")]
    return [block for block in blocks if "==" not in block.partition("\n")[0] or "--hash=sha256:" not in block]


def broken_contracts(root: Path) -> str:
    """What the import contracts say of the sources under `root`; empty when they are kept."""
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    return done.stdout[-6000:] + done.stderr[-1000:] if done.returncode else ""


def test_import_contracts_hold() -> None:
    assert broken_contracts(ROOT) == ""


def test_a_planted_import_breaks_a_contract(tmp_path: Path) -> None:
    for room in ("services", "shared"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    for file, line in (
        ("services/marketing/domain/scoring.py", "import sqlalchemy"),
        ("services/kpi/consumers.py", "import services.marketing.models"),
    ):
        with (tmp_path / file).open("a") as source:
            source.write(f"\n{line}\n")
    found = broken_contracts(tmp_path)
    assert "services.marketing.domain.scoring -> sqlalchemy" in found
    assert "services.kpi.consumers -> services.marketing.models" in found


def test_files_and_functions_stay_small() -> None:
    assert (long_files(house()), long_functions(house())) == ([], [])
    assert long_files({"services/x.py": "\n" * 301, "services/y.py": "\n" * 300}) == ["services/x.py"]
    bodies = {f"services/{lines}.py": "async def act():\n" + "    pass\n" * (lines - 1) for lines in (60, 61)}
    assert long_functions(bodies) == ["services/61.py:act"]


def test_every_module_says_what_it_is() -> None:
    assert silent(house()) == []
    assert silent({"services/x.py": "import os\n", "services/__init__.py": "", "y.py": '"""Why."""'}) == [
        "services/x.py"
    ]


def test_only_the_door_and_the_inbox_commit() -> None:
    assert committing(house()) == []
    planted = {
        "services/kpi/commands/deciding.py": "async def act(tx):\n    await tx.session.commit()\n",
        "services/kpi/database.py": "session.commit()",
        "shared/messaging/inbox.py": "await consumer.commit(offsets)",
        "shared/line.py": "await act.commit()",
        "shared/messaging/consumer.py": "await self.consumer.commit(mine)",
        "services/kpi/pages.py": "commit(1)  # a function of that name; .commit() in words",
    }
    assert committing(planted) == [*planted][:3]
    assert set(COMMITTERS) <= set(house())
    assert committing({f"services/{path}": house()[path] for path in COMMITTERS}) == [
        f"services/{p}" for p in COMMITTERS
    ]


def test_services_cut_days_in_the_company_s_zone() -> None:
    assert cutting_days_anywhere(house()) == []
    planted = {
        "services/a.py": "today = clock.day_of(now)",
        "services/b.py": "at = max(start_of_day(due), now)",
        "services/c.py": "today = clock.day_of(now, zone)",
        "services/d.py": "at = start_of_day(due, zone=zone)",
    }
    assert cutting_days_anywhere(planted) == ["services/a.py", "services/b.py"]


def test_the_faults_name_tests_that_are_there() -> None:
    table = (ROOT / "docs/faults.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", table)
    assert len(named) > 30
    missing = [(file, name) for file, name in named if f"def {name}(" not in (ROOT / file).read_text() and name]
    assert missing == [(file, name) for file, name in named if not (ROOT / file).exists()] == []


def test_every_alert_says_what_it_wants_of_a_person() -> None:
    alerts = set(re.findall(r"- alert: (\w+)", (ROOT / "deploy/prometheus/alerts.yml").read_text()))
    told = set(re.findall(r"^### (\w+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE))
    assert alerts == told


def test_nothing_is_left_for_later() -> None:
    assert unfinished(house()) == []
    planted = {
        "services/a.py": "# TODO: tell it",
        "services/b.py": "raise NotImplementedError",
        "services/c.py": "TODOS",
    }
    assert unfinished(planted) == ["services/a.py", "services/b.py"]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "deploy/local/kafka.lock"])
def test_locks_carry_no_addresses(name: str) -> None:
    text = (ROOT / name).read_text()
    assert len(text.splitlines()) > 30
    assert "://" not in text


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_by_hash(name: str) -> None:
    text = (ROOT / name).read_text()
    assert text.count("==") > 30
    assert unpinned(text) == []
    hashed = " \\\n    --hash=sha256:0a"
    assert unpinned(f"anyio==4.1{hashed}\nattrs==1.0\nhttpx>=1{hashed}\n# via\n") == ["attrs==1.0", f"httpx>=1{hashed}"]
