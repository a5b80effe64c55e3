"""`themodel replay kpi`: figures folded anew from the topics while people go on working."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from services.kpi.commands.rebuilding import REBUILDER
from shared.clock import day_of, utc_now
from tests.support.replays import at_work, capture, database_url, query, replay, steps
from tests.support.system import System, good, until


@pytest.fixture
def channel() -> str:
    """Of this test alone, since the installation is everybody's."""
    return f"replay-{uuid4().hex[:8]}"


def test_a_damaged_table_is_found_and_replay_mends_it_while_people_go_on(system: System, channel: str) -> None:
    decided = {"value": 30, "valid_from": day_of(utc_now()).isoformat()}
    with system.client("kpi", "ops_lead") as kpi, system.client("marketing", "marketing") as marketing:
        good(kpi.put("/v1/settings/response_sla_minutes", json=decided))
        capture(marketing, channel, 4)
        until(lambda: steps(kpi, channel) == {"lead": 4, "mql": 2})
        query(system, "kpi", "DELETE FROM passage WHERE channel = $1 AND milestone = 'mql'", channel)
        assert steps(kpi, channel) == {"lead": 4, "mql": 0}
        code, report = replay(system, "--verify")
        assert (code, report["differences"], report["switched"]) == (1, {"passage": [0, 2]}, False)
        ((facts,),) = query(system, "kpi", "SELECT count(*) FROM fact")
        assert report["facts"] == facts
        with at_work(system, channel, pause=0.1) as captured:
            until(lambda: captured() > 4)
            code, report = replay(system)
            assert (code, report["switched"]) == (0, True)
            code, report = replay(system, "--verify")
            assert (code, report["differences"]) == (0, {}), "what is compared is one moment, also during traffic"
        told = {"lead": 4 + captured(), "mql": 2 + captured() // 2}
        until(lambda: steps(kpi, channel) == told)
        settings = {row["name"]: row["value"] for row in good(kpi.get("/v1/settings"))["items"]}
        assert settings["response_sla_minutes"] == 30
        assert good(kpi.get("/readyz"))


def test_one_replay_at_a_time(system: System) -> None:
    async def held() -> str:
        connection = await asyncpg.connect(database_url(system, "kpi"))
        try:
            await connection.execute("SELECT pg_advisory_lock($1)", REBUILDER)
            done = await asyncio.to_thread(system.themodel, "replay", "kpi", check=False)
            assert done.returncode == 1
            return done.stderr
        finally:
            await connection.close()

    assert "Another replay is running" in asyncio.run(held())


def test_only_kpi_is_replayed(system: System) -> None:
    done = system.themodel("replay", "marketing", check=False)
    assert done.returncode == 1
    assert "nothing to replay" in done.stderr
