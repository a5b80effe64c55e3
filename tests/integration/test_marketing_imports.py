"""Companies, people, visits and spend from files."""

from typing import Any

import pytest

from services.marketing.app import SERVICE
from services.marketing.commands.import_accounts import ACCOUNTS_IMPORTER
from services.marketing.commands.import_days import SPEND_IMPORTER, VISITS_IMPORTER
from services.marketing.commands.import_leads import LEADS_IMPORTER
from shared import instruments
from shared.imports.jobs import run_open_jobs
from tests.support.marketing import Desk
from tests.support.rig import MakeRig
from tests.support.samples import mapping, sample

IMPORTERS = {
    found.resource.name: found for found in (ACCOUNTS_IMPORTER, LEADS_IMPORTER, VISITS_IMPORTER, SPEND_IMPORTER)
}


@pytest.fixture
async def desk(make_rig: MakeRig) -> Desk:
    return Desk(await make_rig(SERVICE))


async def load(desk: Desk, resource: str, *lines: str) -> dict[str, Any]:
    """The report of the import of these lines."""
    body = "\n".join(lines).encode()
    headers = {"Content-Type": "text/csv"}
    answer = await desk.api.post(f"/v1/imports?resource={resource}&again=true", content=body, headers=headers)
    assert answer.status_code == 202, answer.text
    await run_open_jobs(desk.rig.database, IMPORTERS)
    report: dict[str, Any] = (await desk.api.get(f"/v1/imports/{answer.json()['id']}")).json()
    assert report["status"] == "finished", report
    outcomes = ("new", "updated", "unchanged", "waiting", "refused", "events")
    return {name: report[name] for name in outcomes if report[name]} | {"id": report["id"]}


async def rules(desk: Desk, report: dict[str, Any]) -> list[str]:
    """The rules broken by the refused rows."""
    errors = (await desk.api.get(f"/v1/imports/{report['id']}/errors.csv")).text
    return [line.split(",")[3] for line in errors.splitlines()[1:]]


LEADS = (
    "external_id,name,email,company,channel,segment,consent,created_at,mql_at,score",
    "L-1,山田 太郎,taro@example.jp,株式会社サクラ,ads,SMB,はい,2025-04-01,2025-04-03 10:00,72",
    "L-2,佐藤 花子,hanako@example.jp,サクラ㈱,organic,,,2025-04-02,,",
    ",鈴木 一郎,ichiro@example.jp,,event,ENT,,2025-04-05,,",
)


async def test_people_come_in_with_their_own_dates(desk: Desk) -> None:
    before = instruments.entries.labels("marketing")._value.get()
    report = await load(desk, "leads", *LEADS)
    assert {k: v for k, v in report.items() if k != "id"} == {"new": 3, "events": 5}
    told = [(event.type.split(".")[1], event.time.isoformat()) for event in await desk.rig.told()]
    assert sorted(told) == [
        ("account_created", "2025-03-31T15:00:00+00:00"),
        ("lead_created", "2025-03-31T15:00:00+00:00"),
        ("lead_created", "2025-04-01T15:00:00+00:00"),
        ("lead_created", "2025-04-04T15:00:00+00:00"),
        ("mql_created", "2025-04-03T01:00:00+00:00"),
    ]
    found = await desk.get("ext:L-1")
    assert (found["stage"], found["score"], found["consent"], found["company"]) == (
        "mql_waiting",
        72,
        True,
        "株式会社サクラ",
    )
    assert (found["created_at"], found["mql_at"]) == ("2025-03-31T15:00:00Z", "2025-04-03T01:00:00Z")
    assert (await desk.get("ext:L-2"))["account_id"] == found["account_id"]
    mql = (await desk.told("mql_created"))[0]
    assert (mql.data["score"], mql.data["declared"]) == (72, False)
    assert "criteria_version" not in mql.data  # told, not judged: the response clock starts with the telling
    assert instruments.entries.labels("marketing")._value.get() == before  # history moves no counter


async def test_the_same_rows_again_change_nothing(desk: Desk) -> None:
    await load(desk, "leads", *LEADS)
    version = (await desk.get("ext:L-1"))["version"]
    report = await load(desk, "leads", *LEADS, "")
    assert {k: v for k, v in report.items() if k != "id"} == {"unchanged": 3}
    assert (await desk.get("ext:L-1"))["version"] == version


async def test_a_row_that_contradicts_is_an_update_with_history(desk: Desk) -> None:
    await load(desk, "leads", *LEADS)
    await desk.rig.forget_told()
    report = await load(desk, "leads", LEADS[0], LEADS[1].replace("SMB", "ENT").replace("ads", "organic"))
    assert {k: v for k, v in report.items() if k != "id"} == {"updated": 1, "events": 1}
    found = await desk.get("ext:L-1")
    assert (found["segment"], found["channel"]) == ("ENT", "organic")
    changes = (await desk.api.get("/v1/leads/ext:L-1/changes")).json()
    assert changes[0]["fields"] == {"segment": ["SMB", "ENT"], "channel": ["ads", "organic"]}
    assert [event.data["segment"] for event in await desk.told("lead_updated")] == ["ENT"]


async def test_a_person_known_live_was_a_lead_before(desk: Desk) -> None:
    lead = await desk.lead(email="taro@example.jp")
    report = await load(desk, "leads", LEADS[0], LEADS[1])
    assert report["updated"] == 1
    found = await desk.get(lead["id"])
    assert (found["created_at"], found["stage"], found["external_id"]) == ("2025-03-31T15:00:00Z", "mql_waiting", "L-1")
    assert found["cycles"][0]["opened_at"] == "2025-03-31T15:00:00Z"
    told = [event.time for event in await desk.told("lead_created")]
    assert told[1] < told[0]  # of a stage's times the earliest told holds


async def test_one_person_under_two_ids_is_one_lead(desk: Desk) -> None:
    report = await load(
        desk,
        "leads",
        "external_id,email,industry,created_at",
        "L-1,taro@example.jp,,2025-04-01",
        "L-2,TARO@example.jp,IT,2025-03-01",
    )
    assert (report["new"], report["updated"]) == (1, 1)
    found = await desk.get("ext:L-2")
    assert (found["external_id"], found["industry"], found["created_at"]) == ("L-1", "IT", "2025-02-28T15:00:00Z")
    kinds = [event.type.split(".")[1] for event in await desk.rig.told()]
    assert kinds == ["lead_created", "lead_created", "lead_updated"]


async def test_the_erased_stay_erased(desk: Desk) -> None:
    lead = await desk.lead(external_id="L-1")
    await desk.act(lead["id"], "erase")
    report = await load(desk, "leads", *LEADS)
    assert (report["new"], report["refused"]) == (2, 1)
    assert await rules(desk, report) == ["erased"]
    assert (await desk.get(lead["id"]))["name"] is None


async def test_companies_come_in(desk: Desk) -> None:
    head = "external_id,name,corporate_number,domain,industry,employees"
    report = await load(
        desk,
        "accounts",
        head,
        "E1,株式会社サクラ,５０７０００１０００７１５,sakura.example.jp,IT,120",
        "E2,株式会社サクラ,6020001008662,,農業,",
        "E3,ウメ,12,,,",
        "E4,モモ,,not a domain,,",
    )
    assert (report["new"], report["refused"], report["events"]) == (2, 2, 2)
    assert sorted(await rules(desk, report)) == ["not_a_corporate_number", "not_a_domain"]
    one, other = [(await desk.api.get(f"/v1/accounts/ext:E{n}")).json() for n in (1, 2)]
    assert one["id"] != other["id"]  # namesakes
    report = await load(
        desk,
        "accounts",
        head,
        "E1,サクラ合同会社,,,IT,121",
        "E2,株式会社サクラ,6020001008662,,農業,",
        "E9,サクラ,5070001000715,,,",
    )
    assert (report["updated"], report["unchanged"]) == (2, 1)
    found = (await desk.api.get("/v1/accounts/ext:E9")).json()
    assert (found["id"], found["name"], found["employees"]) == (one["id"], "サクラ", 121)
    assert len((await desk.api.get(f"/v1/accounts/{one['id']}/changes")).json()) == 2


async def test_visits_and_spend_come_in(desk: Desk) -> None:
    head, line = "date,channel,campaign,visitors", "2026-04-01,ads,spring,100"
    assert (await load(desk, "visits", head, line, "2026-04-02,ads,,50"))["new"] == 2
    again = await load(desk, "visits", head, line, "2026-04-02,ads,,60")
    assert (again["unchanged"], again["updated"], again["events"]) == (1, 1, 1)
    refused = await load(desk, "visits", head, "2999-01-01,ads,,1", "2026-04-03,ads,,-1")
    assert refused["refused"] == 2
    spend = await load(desk, "spend", "date,channel,amount,currency", "2026-04-01,ads,1000,", "2026-04-01,web,9.50,USD")
    assert (spend["new"], spend["events"]) == (2, 2)
    assert [event.data["spend"] for event in await desk.told("spend_recorded")] == [
        {"amount": 1000, "currency": "JPY"},
        {"amount": 950, "currency": "USD"},
    ]


async def test_listed_companies_come_from_a_cp932_file(desk: Desk) -> None:
    """With full-width spaces, and rows that strict Shift_JIS cannot read."""
    files: dict[str, Any] = {
        "file": sample("edinet/edinet_listed_companies_cp932.csv").read_bytes(),
        "mapping": mapping("edinet-accounts.toml"),
    }
    answer = await desk.api.post("/v1/imports?resource=accounts", files=files)
    assert answer.status_code == 202, answer.text
    await run_open_jobs(desk.rig.database, IMPORTERS)
    report = (await desk.api.get(f"/v1/imports/{answer.json()['id']}")).json()
    assert (report["read"], report["new"], report["refused"]) == (3922, 3922, 0)
    found = (await desk.api.get("/v1/accounts", params={"corporate_number": "1180301018771"})).json()["items"]
    assert [account["name"] for account in found] == ["トヨタ自動車株式会社"]
