"""`themodel import` as a person gives it, against a service that listens."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn

from deploy.local.ports import free_ports
from shared.auth import Keys
from shared.http.app import create_app
from shared.service import Runtime
from tests.support.import_rig import rig, url
from tests.support.import_service import IMPORTS, SERVICE
from tests.support.rig import Rig

__all__ = ["rig", "url"]

HEAD = "external_id,name,slots_per_week\n"


@dataclass
class Done:
    code: int
    out: str
    err: str


@dataclass
class Command:
    folder: Path
    port: int

    async def __call__(self, *arguments: str) -> Done:
        ports = {f"THEMODEL_{name}_PORT": str(self.port) for name in ("FIELD_SALES", "INSIDE_SALES")}
        environment = {**os.environ, **ports, "THEMODEL_HOME": str(self.folder / "home"), "COLUMNS": "200"}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "deploy.local.cli", "import", *arguments),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return Done(process.returncode or 0, out.decode(), err.decode())

    def write(self, name: str, content: str) -> str:
        (self.folder / name).write_text(content, encoding="utf-8")
        return str(self.folder / name)

    async def reports(self, *arguments: str) -> Sequence[dict[str, object]]:
        done = await self(*arguments, "--json")
        return list(json.loads(done.out))


@pytest.fixture
async def command(rig: Rig, tmp_path: Path) -> AsyncIterator[Command]:
    """Both owners of reps are the same listening service here."""
    (port,) = free_ports(1)
    runtime = Runtime(rig.runtime.settings, rig.database, Keys.load_or_create(tmp_path / "home" / "keys"))
    app = create_app(SERVICE, runtime, lambda: IMPORTS.work(runtime))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="on"))
    serving = asyncio.create_task(server.serve())
    yield Command(tmp_path, port)
    server.should_exit = True
    await serving


async def test_the_report_and_the_refused_rows_are_printed(command: Command) -> None:
    file = command.write("reps.csv", HEAD.replace("\n", ",colour\n") + "A,Ann,1,red\nB,Refused Bob,2,red\n")
    done = await command(file, "--resource", "reps", "--errors", str(command.folder / "errors.csv"))
    assert done.code == 1, done.err
    for word in ("reps → field_sales", "reps → inside_sales", "new", "Columns nothing was taken from: colour"):
        assert word in done.out
    assert "line 3: name Refused Bob: this rep is not welcome (not_welcome)" in done.out
    written = (command.folder / "errors.csv").read_text(encoding="utf-8-sig").splitlines()
    assert written[0] == "line,column,value,rule,explanation"
    assert len(written) == 3


async def test_machines_read_json_and_a_clean_import_ends_well(command: Command) -> None:
    file = command.write("reps.csv", HEAD + "A,Ann,1\n")
    done = await command(file, "--resource", "reps", "--json")
    assert done.code == 0, done.err
    first, second = json.loads(done.out)
    assert (first["service"], first["status"], first["new"]) == ("field_sales", "finished", 1)
    assert second["id"] == first["id"]
    dry, _ = await command.reports(file, "--resource", "reps", "--dry-run")
    assert (dry["dry_run"], dry["unchanged"]) == (True, 1)
    anew, _ = await command.reports(file, "--resource", "reps", "--again")
    assert anew["id"] != first["id"]


async def test_joined_files_are_read_from_beside_the_file(command: Command) -> None:
    file = command.write("reps.csv", "external_id,slots_per_week\nA,1\n")
    toml = "[join]\nname = { file = 'names.csv', on = 'external_id', take = 'name' }\n"
    mapping = command.write("mapping.toml", toml)
    done = await command(file, "--resource", "reps", "--mapping", mapping)
    assert done.code == 1
    assert "joins with names.csv, which is not beside" in done.err
    command.write("names.csv", "external_id,name\nA,Ann\n")
    first, _ = await command.reports(file, "--resource", "reps", "--mapping", mapping)
    assert first["new"] == 1
    assert first["columns"] == {
        "external_id": "external_id",
        "name": "external_id → name",
        "slots_per_week": "slots_per_week",
    }


async def test_what_cannot_be_imported_is_one_clear_word(command: Command) -> None:
    wrong = command.write("reps.csv", "id,slots_per_week\n1,2\n")
    done = await command(wrong, "--resource", "reps")
    assert done.code == 1
    assert "need a column external_id" in done.err
    assert "reps need a column name" in done.err
    done = await command(wrong, "--resource", "cars")
    assert "cars: one of accounts, leads" in done.err
    done = await command(wrong, "--resource", "reps", "--mapping", command.write("m.toml", "[colums]\n"))
    assert "mapping colums: there is no such key" in done.err
    done = await Command(command.folder, free_ports(1)[0])(wrong, "--resource", "reps")
    assert "field_sales does not answer" in done.err
    assert "Traceback" not in done.err
