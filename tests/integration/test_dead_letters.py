"""`/v1/dead-letters`: everything that was not taken in is listed with its reason and owner, and can be dealt with."""

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import uvicorn
from sqlalchemy import text

from deploy.local.ports import free_ports
from services.inside_sales.app import SERVICE
from services.kpi import consumers
from services.kpi.app import SERVICE as KPI
from services.kpi.commands.reading import Unusable
from shared.auth import Keys
from shared.contracts import marketing
from shared.http.app import create_app
from shared.ids import new_id
from shared.messaging import inbox as inbox_module
from shared.service import Runtime
from tests.support.rig import MakeRig, Rig

LETTERS = "/v1/dead-letters"


@pytest.fixture
async def rig(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


def created(lead: UUID) -> marketing.LeadCreated:
    return marketing.LeadCreated(lead_id=lead, cycle=1)


def mql(lead: UUID) -> marketing.MqlCreated:
    return marketing.MqlCreated(lead_id=lead, cycle=1, mql_id=new_id(), score=80, reason="score", owner="aoi")


async def listed(rig: Rig, **asked: str) -> list[Any]:
    answer = await rig.client("ops_lead").get(LETTERS, params=asked)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def act(rig: Rig, letter: Any, name: str, **body: str) -> Any:
    answer = await rig.client("ops_lead").post(f"{LETTERS}/{letter['id']}/{name}", json=body or None)
    return answer.json() | {"status": answer.status_code}


class Bug:
    """What makes a handler fail until it is mended."""

    def __init__(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mended = False
        whole = inbox_module.Inbox._hear

        async def failing(inbox: Any, tx: Any, told: Any) -> None:
            if not self.mended and any(letter.meta.sequence == 2 for letter, _ in told):
                raise KeyError("discount [/b]")
            await whole(inbox, tx, told)

        monkeypatch.setattr(inbox_module.Inbox, "_hear", failing)


async def six_of_a_journey(rig: Rig) -> UUID:
    """The second of which fails, so that four wait behind it."""
    lead = new_id()
    await rig.hand_over([rig.record(mql(lead) if n == 1 else created(lead), lead) for n in range(6)])
    return lead


async def test_what_waits_is_listed_with_its_reason_record_and_owner(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    bug = Bug(rig, monkeypatch)
    lead = await six_of_a_journey(rig)
    found = await listed(rig)
    assert [(letter["kind"], letter["reason"], letter["sequence"]) for letter in found] == [
        ("parked", "poison", 2),
        *[("parked", "gap", number) for number in (3, 4, 5, 6)],
    ]
    assert found[0]["error"] == "KeyError: 'discount [/b]'"
    assert {letter["journey"] for letter in found} == {str(lead)}
    assert await listed(rig, journey=str(uuid4())) == []
    assert len(await listed(rig, type="marketing.mql_created.v1")) == 1
    whole = (await rig.client("admin").get(f"{LETTERS}/{found[0]['id']}")).json()
    assert whole["event"]["type"] == "marketing.mql_created.v1"
    assert base64.b64decode(whole["value"]).startswith(b"{")
    bug.mended = True
    assert await act(rig, found[0], "redrive") == {"applied": 5, "waiting": 0, "error": None, "status": 200}
    assert await listed(rig) == []
    async with rig.database.reading() as session:
        assert await session.scalar(text("SELECT last_sequence FROM applied_sequence")) == 6


async def test_a_redrive_that_fails_again_says_so_and_counts(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    Bug(rig, monkeypatch)
    await six_of_a_journey(rig)
    found = await listed(rig)
    for later in (found[0], found[3]):
        again = await act(rig, later, "redrive")
        assert (again["applied"], again["waiting"], again["error"]) == (0, 5, "KeyError: 'discount [/b]'")
    assert (await listed(rig))[0]["attempts"] == 3


async def test_what_is_discarded_needs_a_reason_and_lets_the_rest_go_on(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    Bug(rig, monkeypatch)
    await six_of_a_journey(rig)
    first, second, *_ = await listed(rig)
    refused = await act(rig, second, "discard", reason="not wanted")
    assert (refused["status"], refused["type"]) == (409, "/problems/not_next")
    assert (await act(rig, first, "discard", reason=" "))["status"] == 422
    assert (await act(rig, first, "discard", reason="told twice by a tool"))["applied"] == 4
    assert await listed(rig) == []
    (gone,) = await listed(rig, kind="discarded")
    assert (gone["id"], gone["sequence"], gone["discarded_by"]) == (first["id"], 2, "tester")
    assert gone["discarded_because"] == "told twice by a tool"
    for again in ("discard", "redrive"):
        assert (await act(rig, gone, again, reason="x"))["type"] == "/problems/not_waiting"


async def test_a_number_that_never_came_can_be_given_up(rig: Rig) -> None:
    lead = new_id()
    records = [rig.record(created(lead), lead) for _ in range(6)]
    await rig.hand_over([*records[:1], *records[4:]])
    fifth, sixth = await listed(rig)
    whole = (await rig.client("admin").get(f"{LETTERS}/{fifth['id']}")).json()
    assert (whole["sequence"], whole["missing"]) == (5, [2, 3, 4])
    assert (await act(rig, fifth, "redrive"))["applied"] == 0
    refused = await act(rig, fifth, "discard", reason="x")
    assert (refused["type"], refused["missing"]) == ("/problems/numbers_missing", ["2", "3", "4"])
    assert (await act(rig, fifth, "give-up-missing", reason="lost with an old disk"))["applied"] == 2
    given_up = await listed(rig, kind="discarded")
    assert [(letter["sequence"], letter["error"]) for letter in given_up] == [(n, "it never came") for n in (2, 3, 4)]
    assert (await act(rig, sixth, "give-up-missing", reason="x"))["status"] == 404


async def test_bytes_that_are_no_event_are_kept_whole(rig: Rig) -> None:
    key = str(new_id())
    await rig.hand_over([rig.raw("/marketing", key, b"\xff\x00no event"), rig.raw("/marketing", key, None)])
    await rig.hand_over([rig.raw("/marketing", key, b"x" * 300_000)])
    first, empty, large = await listed(rig)
    assert {letter["kind"] for letter in (first, empty, large)} == {"unreadable"}
    whole = (await rig.client("admin").get(f"{LETTERS}/{first['id']}")).json()
    assert (base64.b64decode(whole["value"]), whole["event"]) == (b"\xff\x00no event", None)
    whole = (await rig.client("admin").get(f"{LETTERS}/{large['id']}")).json()
    assert len(base64.b64decode(whole["value"])) == 300_000
    assert (await act(rig, first, "redrive"))["type"] == "/problems/still_unreadable"
    assert (await act(rig, first, "discard", reason="a test tool"))["status"] == 200
    assert [letter["id"] for letter in await listed(rig)] == [empty["id"], large["id"]]


async def test_lists_are_paged_and_only_those_who_keep_the_system_look(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    Bug(rig, monkeypatch)
    await six_of_a_journey(rig)
    client = rig.client("ops_lead")
    seen: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get(LETTERS, params={"limit": "2", **cursor})).json()
        seen += [letter["sequence"] for letter in page["items"]]
        if not page["next_cursor"]:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == [2, 3, 4, 5, 6]
    for role in ("inside_sales", "viewer"):
        assert (await rig.client(role).get(LETTERS)).status_code == 403
    assert (await client.get(f"{LETTERS}/{new_id()}")).status_code == 404
    for asked in ({"kind": "lost"}, {"external_id": "x"}, {"updated_at_from": "2026-01-01T00:00:00Z"}):
        assert (await client.get(LETTERS, params=asked)).status_code == 422
    for asked in ({"created_at_from": "2100-01-01T00:00:00Z"}, {"source": "/kpi"}):
        assert (await client.get(LETTERS, params=asked)).json()["items"] == []


async def test_kpi_waits_for_no_number_and_takes_again_what_it_can_read_now(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    kpi, lead = await make_rig(KPI), new_id()

    def unusable(meta: Any, data: Any) -> Any:
        raise Unusable("a bug")

    await kpi.deliver(created(lead), lead)
    with monkeypatch.context() as bug:
        bug.setattr(consumers, "fact_of", unusable)
        for _ in range(2):
            await kpi.deliver(created(lead), lead)
        second, third = await listed(kpi)
        assert (second["kind"], second["error"], second["sequence"]) == ("parked", "a bug", 2)
        assert (await kpi.client("admin").get(f"{LETTERS}/{third['id']}")).json()["missing"] == []
        assert (await act(kpi, third, "give-up-missing", reason="x"))["type"] == "/problems/nothing_missing"
        assert (await act(kpi, third, "discard", reason="told twice"))["waiting"] == 1
    assert (await act(kpi, second, "redrive"))["applied"] == 1
    assert await listed(kpi) == []


Command = Callable[..., Awaitable[str]]


@pytest.fixture
async def themodel(rig: Rig, tmp_path: Path) -> AsyncIterator[Command]:
    """`themodel dead-letters …` against inside sales, which listens; gives what it prints."""
    (port,) = free_ports(1)
    runtime = Runtime(rig.runtime.settings, rig.database, Keys.load_or_create(tmp_path / "keys"))
    server = uvicorn.Server(uvicorn.Config(create_app(SERVICE, runtime), port=port, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    named = {"THEMODEL_INSIDE_SALES_PORT": str(port), "THEMODEL_HOME": str(tmp_path), "COLUMNS": "250"}

    async def run(*arguments: str, code: int = 0) -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "deploy.local.cli", "dead-letters", *arguments),
            env={**os.environ, **named},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode == code, said.decode()
        return said.decode()

    yield run
    await rig.store.close()  # the service closes the pool that its connection is of
    server.should_exit = True
    await serving


async def test_the_command_lists_shows_redrives_and_discards(
    rig: Rig, themodel: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Nothing waits, and nothing is dead." in await themodel("list", "--service", "inside_sales")
    bug = Bug(rig, monkeypatch)
    first, second = await six_of_a_journey(rig), await six_of_a_journey(rig)
    printed = await themodel("list", "--service", "inside_sales")
    for word in (str(first), "marketing.mql_created.v1 2", "KeyError: 'discount [/b]'", "parked"):
        assert word in printed
    found = json.loads(await themodel("list", "--service", "inside_sales", "--json"))
    heads = {each["journey"]: each["id"] for each in found if each["sequence"] == 2}
    assert len(found) == 10
    whole = json.loads(await themodel("show", "inside_sales", heads[str(first)]))
    assert int(whole["event"]["sequence"]) == 2
    printed = await themodel("redrive", "inside_sales")
    assert printed.splitlines() == ["0 applied, 10 still waiting", "  KeyError: 'discount [/b]'"]
    printed = await themodel("discard", "inside_sales", heads[str(first)], "--reason", "told twice")
    assert printed.startswith("4 applied, 0 still waiting")
    bug.mended = True
    told = json.loads(await themodel("redrive", "inside_sales", heads[str(second)], "--json"))
    assert told == {"applied": 5, "waiting": 0, "errors": []}
    assert "told twice" in await themodel("list", "--service", "inside_sales", "--kind", "discarded")
    assert "does not wait" in await themodel("redrive", "inside_sales", heads[str(first)], code=1)
    assert "one of marketing" in await themodel("show", "sales", "x", code=2)
