"""When `up` may leave a service's migrations out."""

import os
from pathlib import Path

import pytest

from deploy.local.home import Home
from deploy.local.schemas import Schemas, fingerprint, revision
from tests.support.engines import Engines


def test_the_fingerprint_moves_with_any_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "themodel_printed"
    (package / "migrations").mkdir(parents=True)
    script = package / "migrations/0001.sql"
    for file in (package / "__init__.py", script):
        file.touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    first = fingerprint(["themodel_printed"])
    assert fingerprint(["themodel_printed"]) == first
    script.write_text("select 1")
    second = fingerprint(["themodel_printed"])
    os.utime(script, (1, 1))
    third = fingerprint(["themodel_printed"])
    (package / "migrations/0002.sql").touch()
    assert len({first, second, third, fingerprint(["themodel_printed"])}) == 4


async def test_only_the_remembered_revision_of_unchanged_code_is_current(tmp_path: Path, engines: Engines) -> None:
    home = Home(tmp_path, tmp_path)
    url = engines.create_database("schemas")
    name = url.rpartition("/")[2]
    assert await revision(url) is None
    await Schemas(home).remember("marketing", url)
    assert not await Schemas(home).is_current("marketing", url)

    engines.sql("create table alembic_version (version_num text); insert into alembic_version values ('0001')", name)
    engines.sql(f"grant select on alembic_version to {name}", name)
    assert await revision(url) == "0001"
    assert not await Schemas(home).is_current("marketing", url)
    await Schemas(home).remember("marketing", url)
    assert await Schemas(home).is_current("marketing", url)
    assert not await Schemas(home).is_current("kpi", url)

    engines.sql("update alembic_version set version_num = '0000'", name)  # an older backup came back
    assert not await Schemas(home).is_current("marketing", url)
    assert not await Schemas(home).is_current("marketing", "postgresql://127.0.0.1:1/nothing")
