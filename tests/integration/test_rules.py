"""Rules as data: in every department the same calls, shapes and refusals."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from services.customer_success.app import SERVICE as CUSTOMER_SUCCESS
from services.field_sales.app import SERVICE as FIELD_SALES
from services.inside_sales.app import SERVICE as INSIDE_SALES
from services.inside_sales.domain.sla import SlaRule
from services.inside_sales.domain.valve import ValveRule
from services.inside_sales.models import RULES
from services.marketing.app import SERVICE as MARKETING
from shared import clock
from shared.line import driver_of
from shared.service import Service
from tests.support.rig import MakeRig, Rig

DAY = timedelta(days=1)
SHOWN = {"name", "ja", "en", "version", "valid_from", "in_force", "rule", "note", "by", "created_at"}
DEPARTMENTS = {
    "marketing": (MARKETING, {"scoring", "mql_criteria", "recycling", "company"}, "scoring", "half_life_days"),
    "inside_sales": (INSIDE_SALES, {"sla", "queue", "hand_over", "valve"}, "sla", "minutes"),
    "field_sales": (FIELD_SALES, {"phases", "discovery", "business_hours"}, "business_hours", "slot_minutes"),
    "customer_success": (
        CUSTOMER_SUCCESS,
        {"contract_defaults", "dormancy", "onboarding", "health", "churn_risk"},
        "dormancy",
        "quiet_days",
    ),
}


@dataclass
class Office:
    """A department's people, one of its rules and a number in it."""

    rig: Rig
    people: httpx.AsyncClient
    names: set[str]
    path: str
    number: str

    async def get(self) -> Any:
        answer = await self.people.get(self.path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def put(self, number: Any, status: int = 200, *, match: str | None = None, **more: Any) -> Any:
        """Change the number and nothing else."""
        rule = (await self.get())["rule"] | {self.number: number}
        headers = {} if match is None else {"If-Match": match}
        answer = await self.people.put(self.path, json={"rule": rule, **more}, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()


def wire(instant: datetime) -> str:
    return clock.wire_time(instant)


@pytest.fixture(params=list(DEPARTMENTS))
async def office(request: pytest.FixtureRequest, make_rig: MakeRig) -> Office:
    service: Service
    service, names, name, number = DEPARTMENTS[request.param]
    rig = await make_rig(service)
    return Office(rig, rig.client(service.name, user="mori"), names, f"/v1/rules/{name}", number)


async def test_a_change_is_a_new_version_and_the_old_one_stays(office: Office) -> None:
    listed = (await office.people.get("/v1/rules")).json()["items"]
    assert {one["name"] for one in listed} == office.names
    assert all(set(one) == SHOWN and one["version"] == 1 and one["in_force"] for one in listed)
    first = await office.get()
    assert set(first) == SHOWN | {"versions"}
    made = await office.put(7, note="試し")
    assert set(made) == SHOWN
    assert (made["version"], made["by"], made["note"], made["in_force"]) == (2, "mori", "試し", True)
    assert (made["rule"][office.number], set(made["rule"])) == (7, set(first["rule"]))
    found = await office.get()
    assert {name: found[name] for name in SHOWN} == made
    assert found["versions"] == [made, first["versions"][0] | {"in_force": False}]


async def test_a_planned_version_rules_from_its_day_and_may_be_preceded(office: Office) -> None:
    planned = await office.put(7, valid_from=wire(clock.utc_now() + DAY))
    assert (planned["in_force"], (await office.get())["version"]) == (False, 1)
    await office.put(8)
    found = await office.get()
    assert (found["version"], found["rule"][office.number]) == (3, 8)
    versions = [(one["version"], one["in_force"]) for one in found["versions"]]
    assert versions == [(2, False), (3, True), (1, False)]
    problem = await office.put(9, 409, valid_from=wire(clock.utc_now() - DAY))
    assert problem["type"] == "/problems/begins_later"


async def test_a_version_for_history_rules_its_own_time_and_not_today(office: Office) -> None:
    now = clock.utc_now()
    await office.put(7, valid_from=wire(now - DAY))
    then = await office.put(8, valid_from=wire(now - 2 * DAY), for_history=True)
    found = await office.get()
    assert (then["version"], then["in_force"], found["version"], found["rule"][office.number]) == (3, False, 2, 7)
    assert [one["version"] for one in found["versions"]] == [2, 3, 1]


async def test_who_read_an_older_version_is_told_so(office: Office) -> None:
    etag = (await office.people.get(office.path)).headers["etag"]
    await office.put(7, match=etag, valid_from=wire(clock.utc_now() + DAY))
    problem = await office.put(8, 412, match=etag)
    assert problem["type"] == "/problems/stale"
    await office.put(8, match=(await office.people.get(office.path)).headers["etag"])


async def test_what_makes_no_sense_is_refused_by_the_names_of_its_fields(office: Office) -> None:
    problem = await office.put("many", 422)
    assert [error["field"].split(".")[:2] for error in problem["errors"]] == [["rule", office.number]]
    rule = (await office.get())["rule"] | {office.number: None, "colour": "red"}
    answer = await office.people.put(office.path, json={"rule": rule})
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} >= {f"rule.{office.number}", "rule.colour"}
    wrong: list[Any] = [{}, {"body": rule}, {"content": rule}, {"rule": []}, {"rule": rule, "valid_from": "soon"}]
    for body in wrong:
        assert (await office.people.put(office.path, json=body)).status_code == 422
    assert (await office.people.get("/v1/rules/weather")).status_code == 404
    assert (await office.people.put("/v1/rules/weather", json={"rule": {}})).status_code == 404
    assert len((await office.get())["versions"]) == 1


async def test_rules_are_the_departments_own(office: Office) -> None:
    body = {"rule": (await office.get())["rule"]}
    others = {name for name in DEPARTMENTS if name != office.rig.service.name}
    for role in (*others, "viewer"):
        other = office.rig.client(role)
        assert (await other.put(office.path, json=body)).status_code == 403
        assert (await other.get(office.path)).status_code == 200
    for role in ("ops_lead", "admin"):
        assert (await office.rig.client(role).put(office.path, json=body)).status_code == 200
    assert (await office.rig.client().put(office.path, json=body)).status_code == 401


async def test_a_session_asks_once_for_all_rules_and_moments(make_rig: MakeRig) -> None:
    rig = await make_rig(INSIDE_SALES)
    asked: list[str] = []

    now = clock.utc_now()
    for _ in range(2):
        async with rig.database.transaction() as tx:
            driver = driver_of(await tx.session.connection())
            with driver.query_logger(lambda record: asked.append(record.query)):
                for at in (now, now - DAY, now - 10_000 * DAY):
                    await RULES.in_force(tx.session, SlaRule, at)
                    await RULES.in_force(tx.session, ValveRule, at)
    said = [statement for statement in asked if "rule.body" in statement]
    assert len(asked) - len(said) == 2, "once by each session: which versions there are"
    assert len(said) <= 2, "once by the process: what each of the two says"
