"""The chain as operations leads cut it: versions, the event that tells it, what does not close, who may."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from services.kpi.app import SERVICE
from shared.clock import utc_now
from shared.contracts import marketing
from shared.ids import told_id
from tests.support.kpi import closes
from tests.support.rig import MakeRig, Rig

BY_SQL = [
    {"stage": "marketing", "base": "visitor", "goal": "lead"},
    {"stage": "inside_sales", "base": "lead", "goal": "sql"},
    {"stage": "field_sales", "base": "sql", "goal": "won"},
    {"stage": "customer_success", "base": "won", "goal": "retained"},
]


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


async def cut(rig: Rig, body: Any, *, role: str = "ops_lead", **headers: str) -> httpx.Response:
    return await rig.client(role, user="hara").put("/v1/stages", json=body, headers=headers)


async def held(rig: Rig) -> httpx.Response:
    answer = await rig.client("viewer").get("/v1/stages")
    assert answer.status_code == 200, answer.text
    return answer


async def test_two_chains_ship_and_the_one_with_mqls_holds(kpi: Rig) -> None:
    answer = await held(kpi)
    found = answer.json()
    assert (answer.headers["etag"], found["version"], found["set_by"]) == ('"1"', 1, "system")
    assert found["stages"] == found["ready_made"]["mql"]
    assert [part["goal"] for part in found["ready_made"]["lead"]] == ["lead", "opportunity", "won", "retained"]
    assert found["milestones"][0] == "visitor"


async def test_a_new_chain_is_the_next_version_told_and_counted_by(kpi: Rig) -> None:
    answer = await cut(kpi, {"stages": BY_SQL})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    found = answer.json()
    assert (found["version"], found["stages"], found["set_by"]) == (2, BY_SQL, "hara")
    assert (await held(kpi)).json() == found
    (told,) = await kpi.told("kpi.stages_defined.v1")
    assert told.data == {"definition_id": "stages", "version": 2, "stages": BY_SQL}
    assert (told.key, told.envelope["subject"]) == ("stages", "definition/stages")
    funnel = (await kpi.client("viewer").get("/v1/funnel")).json()
    assert funnel["definition_version"] == 2
    assert [(part["base"]["milestone"], part["goal"]["milestone"]) for part in funnel["stages"]] == [
        (part["base"], part["goal"]) for part in BY_SQL
    ]


async def test_the_chain_that_holds_already_changes_nothing(kpi: Rig) -> None:
    assert (await cut(kpi, {"chain": "mql"})).json()["version"] == 1
    assert (await cut(kpi, {"chain": "lead"})).json()["version"] == 2
    again = await cut(kpi, {"stages": (await held(kpi)).json()["ready_made"]["lead"]})
    assert (again.status_code, again.json()["version"]) == (200, 2)
    assert (await cut(kpi, {"chain": "mql"})).json()["version"] == 3
    assert [event.data["version"] for event in await kpi.told()] == [2, 3]


@pytest.mark.parametrize(
    ("place", "change", "stage"),
    [
        (1, {"base": "mql"}, "inside_sales"),
        (2, {"goal": "customer"}, "customer_success"),
        (2, {"goal": "sql"}, "field_sales"),
        (0, {"goal": "handshake"}, "marketing"),
        (3, {"goal": "lead"}, "customer_success"),
        (3, {"stage": "support"}, "customer_success"),
        (1, {"stage": "field_sales"}, "inside_sales"),
    ],
)
async def test_a_chain_that_does_not_close_is_refused_by_its_stage(
    kpi: Rig, place: int, change: dict[str, str], stage: str
) -> None:
    stages = [part | change if number == place else part for number, part in enumerate(BY_SQL)]
    answer = await cut(kpi, {"stages": stages})
    problem = answer.json()
    assert (answer.status_code, problem["type"], problem["stage"]) == (422, "/problems/chain_broken", stage)
    assert [error["field"] for error in problem["errors"]] == [f"stages.{stage}"]
    assert ((await held(kpi)).json()["version"], await kpi.told()) == (1, [])


@pytest.mark.parametrize(
    ("stages", "stage"),
    [([], "marketing"), (BY_SQL[:3], "customer_success"), ([*BY_SQL, BY_SQL[3]], "customer_success")],
)
async def test_every_department_has_one_stage(kpi: Rig, stages: list[dict[str, str]], stage: str) -> None:
    problem = (await cut(kpi, {"stages": stages})).json()
    assert (problem["type"], problem["stage"]) == ("/problems/chain_broken", stage)


@pytest.mark.parametrize(
    "body", [{}, {"chain": "mql", "stages": BY_SQL}, {"chain": "sales"}, {"stages": [{"stage": "marketing"}]}, {"x": 1}]
)
async def test_a_malformed_chain_is_422(kpi: Rig, body: dict[str, Any]) -> None:
    answer = await cut(kpi, body)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid")


async def test_a_stale_etag_changes_nothing(kpi: Rig) -> None:
    read = (await held(kpi)).headers["etag"]
    assert (await cut(kpi, {"chain": "lead"}, **{"If-Match": read})).status_code == 200
    stale = await cut(kpi, {"stages": BY_SQL}, **{"If-Match": read})
    assert (stale.status_code, stale.json()["type"]) == (412, "/problems/stale")
    assert (await held(kpi)).json()["version"] == 2
    assert (await cut(kpi, {"stages": BY_SQL}, **{"If-Match": '"2"'})).json()["version"] == 3


async def test_of_two_who_read_the_same_chain_one_is_told_that_it_changed(kpi: Rig) -> None:
    bodies: list[dict[str, Any]] = [{"chain": "lead"}, {"stages": BY_SQL}]
    async with kpi.database.transaction() as tx:  # a third decides, and both wait for their turn
        await tx.session.execute(text("SELECT pg_advisory_xact_lock(hashtext('stages'))"))
        both = [asyncio.create_task(cut(kpi, body, **{"If-Match": '"1"'})) for body in bodies]
        await asyncio.sleep(0.5)
    answers = await asyncio.gather(*both)
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert (await held(kpi)).json()["version"] == 2


@pytest.mark.parametrize(
    ("path", "bodies"),
    [
        ("/v1/settings/gross_margin", [{"value": 0.7}, {"value": 0.8}]),
        ("/v1/targets/2026-04", [{"stage": "marketing", "goal": 5}, {"stage": "marketing", "goal": 6}]),
    ],
)
async def test_settings_and_targets_can_be_stale_too(kpi: Rig, path: str, bodies: list[dict[str, Any]]) -> None:
    client = kpi.client("ops_lead")
    first = await client.put(path, json=bodies[0])
    assert (first.status_code, first.headers["etag"]) == (200, '"1"')
    assert (await client.put(path, json=bodies[1], headers={"If-Match": '"1"'})).headers["etag"] == '"2"'
    stale = await client.put(path, json=bodies[0], headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["type"]) == (412, "/problems/stale")


ENT = {"ENT": {"chain": "lead"}}


def goals(stages: list[dict[str, Any]]) -> list[str]:
    return [part["goal"]["milestone"] for part in stages]


async def test_a_segment_may_have_a_chain_of_its_own(kpi: Rig) -> None:
    made = (await cut(kpi, {"chain": "mql", "segments": ENT})).json()
    assert (made["version"], made["segments"]["ENT"]) == (2, made["ready_made"]["lead"])
    (told,) = await kpi.told("kpi.stages_defined.v1")
    assert (told.data["stages"], told.data["segments"]) == (
        made["stages"],
        [{"segment": "ENT", "stages": made["segments"]["ENT"]}],
    )
    for name, segment in (("a", "ENT"), ("b", "ENT"), ("c", "SMB")):
        lead = told_id("lead", name)
        await kpi.deliver(marketing.LeadCreated(lead_id=lead, cycle=1, segment=segment), lead, at=utc_now())
        if name != "a":
            await kpi.deliver(marketing.MqlCreated(lead_id=lead, cycle=1), lead, at=utc_now())
    client = kpi.client("viewer")
    for mode in ("flow", "cohort"):
        found = (await client.get("/v1/funnel", params={"by": "segment", "mode": mode})).json()
        parts = {part["value"]: part["stages"] for part in found["groups"]}
        assert {name: goals(stages)[0] for name, stages in parts.items()} == {
            **{"ENT": "lead", "SMB": "mql", "(unset)": "mql"},
        }
        assert (goals(found["stages"])[0], parts["ENT"][1]["base"]["value"]) == ("mql", 2)
        if mode == "flow":
            closes(parts["ENT"])
    own = (await client.get("/v1/funnel", params={"segment": "ENT"})).json()
    assert [(part["base"]["milestone"], part["base"]["value"]) for part in own["stages"][1:2]] == [("lead", 2)]
    asked = (await client.get("/v1/funnel", params={"by": "segment", "chain": "mql"})).json()
    assert {goals(part["stages"])[0] for part in asked["groups"]} == {"mql"}
    conserved = (await client.get("/v1/conservation")).json()
    assert not any(one["broken"] for one in conserved["checks"]), conserved


async def test_chains_of_segments_stay_until_they_are_taken_away(kpi: Rig) -> None:
    await cut(kpi, {"chain": "mql", "segments": {"ENT": {"stages": BY_SQL}}})
    assert (await cut(kpi, {"chain": "lead"})).json()["segments"] == {"ENT": BY_SQL}
    assert (await cut(kpi, {"chain": "lead", "segments": {}})).json()["segments"] == {}
    versions = (await kpi.client("viewer").get("/v1/stages/versions")).json()["items"]
    assert [(one["version"], sorted(one["segments"])) for one in versions] == [
        (4, []),
        (3, ["ENT"]),
        (2, ["ENT"]),
        (1, []),
    ]


async def test_a_segments_chain_that_does_not_close_is_named(kpi: Rig) -> None:
    broken = [part | {"base": "mql"} if number == 1 else part for number, part in enumerate(BY_SQL)]
    problem = (await cut(kpi, {"chain": "mql", "segments": {"ENT": {"stages": broken}}})).json()
    assert (problem["type"], problem["errors"][0]["field"]) == (
        "/problems/chain_broken",
        "segments.ENT.stages.inside_sales",
    )
    assert (await cut(kpi, {"chain": "mql", "segments": {"ENT": {}}})).status_code == 422
    assert ((await held(kpi)).json()["version"], await kpi.told()) == (1, [])


async def test_figures_are_read_by_the_chain_as_it_was_cut_then(kpi: Rig) -> None:
    first = (await held(kpi)).json()["set_at"]
    second = (await cut(kpi, {"chain": "lead"})).json()["set_at"]
    await cut(kpi, {"stages": BY_SQL})
    client, found = kpi.client("viewer"), []
    for moment in ("2001-01-01T00:00:00Z", first, second, None):
        asked = {"decided_at": moment} if moment else {}
        answer = (await client.get("/v1/funnel", params=asked)).json()
        found.append((answer["definition_version"], goals(answer["stages"])[:2]))
    assert found == [
        (1, ["mql", "opportunity"]),
        (1, ["mql", "opportunity"]),
        (2, ["lead", "opportunity"]),
        (3, ["lead", "sql"]),
    ]


@pytest.mark.parametrize("role", ["executive", "marketing", "inside_sales", "field_sales", "product", "viewer"])
async def test_who_may_not_cut_the_chain(kpi: Rig, role: str) -> None:
    assert (await cut(kpi, {"chain": "lead"}, role=role)).status_code == 403
    assert (await held(kpi)).json()["version"] == 1


async def test_who_may_cut_the_chain(kpi: Rig) -> None:
    assert (await cut(kpi, {"chain": "lead"}, role="admin")).status_code == 200
    assert (await kpi.client().put("/v1/stages", json={"chain": "mql"})).status_code == 401
    assert (await held(kpi)).json()["version"] == 2
