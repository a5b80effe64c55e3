"""A command whose engines are away ends with one line that says so, and one in a home nobody has started in, too."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.launch import own_environment


def told(home: Path, *arguments: str, **more: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local.cli", *arguments],
        env={**own_environment(home), **more},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize("command", [("replay", "kpi"), ("backup", "--all"), ("doctor",)])
def test_in_a_home_nobody_has_started_in(tmp_path: Path, command: tuple[str, ...]) -> None:
    code, said = told(tmp_path / "none", *command)
    assert (code, said.splitlines()) == (
        1,
        [f"Nothing was ever started in {tmp_path / 'none'}: `themodel up` comes first."],
    )


@pytest.mark.parametrize("command", [("replay", "kpi"), ("backup", "marketing")])
def test_with_engines_that_are_away(tmp_path: Path, command: tuple[str, ...]) -> None:
    away = {"DATABASE_URL": "postgresql://nobody:x@127.0.0.1:9/x", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}
    (tmp_path / "secrets").mkdir()
    code, said = told(tmp_path, *command, **away)
    assert (code, said.count("\n")) == (1, 0), said
    assert "does not answer" in said
