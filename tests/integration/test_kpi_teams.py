"""By team: that of the owner, as field sales tells it of its reps."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.kpi.app import SERVICE
from services.kpi.metrics.catalogue import CATALOGUE
from shared.contracts import Event, field_sales
from shared.ids import told_id
from tests.support.companies import RATES, a_company
from tests.support.kpi import decide, records, take
from tests.support.rig import MakeRig, Rig
from tests.support.telling import AT, metric, tell

BEFORE = datetime(2024, 12, 1, tzinfo=UTC)
YEAR = {"from": "2025-01-01", "to": "2025-08-01", "as_of": "2025-08-20T00:00:00+09:00"}
TEAMS = {"fs-1": "東日本", "fs-2": "西日本", "is-1": "東日本"}
UNSET = "(unset)"


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


def rep(name: str, team: str | None) -> Event:
    return field_sales.CapacityChanged(rep_id=name, slots_per_week=2, team=team)


def opened(name: str, **more: Any) -> Event:
    return field_sales.OpportunityOpened.model_validate({"opportunity_id": told_id("opportunity", name), **more})


async def by_team(kpi: Rig, name: str = "opportunity", **more: str) -> dict[str, Any]:
    return {part["group"]: part["value"] for part in (await metric(kpi, name, by="team", **more))["groups"]}


async def test_the_team_is_the_one_its_owner_was_in_at_the_end_of_the_span(kpi: Rig) -> None:
    await tell(kpi, (-30, rep("sato", "east")), (-30, rep("ito", "west")), (-30, rep("alone", None)))
    await tell(
        kpi, *((float(day), opened(f"D{day}", owner="sato")) for day in range(3)), (3, opened("D3", owner="ito"))
    )
    await tell(kpi, (4, opened("D4", owner="alone")), (5, opened("D5", owner="mk")), (6, opened("D6")))
    await tell(kpi, (40, rep("sato", "west")))
    assert await by_team(kpi) == {"east": 3, "west": 1, UNSET: 3}
    now = {"as_of": (AT + timedelta(days=60)).isoformat()}
    assert await by_team(kpi, **now) == {"east": 3, "west": 1, UNSET: 3}, "April was counted with the teams of April"
    assert await by_team(kpi, **now, slice="latest") == {"west": 4, UNSET: 3}
    before = {"from": "2026-02-01", "to": "2026-03-01", **now}
    await tell(kpi, (-50, opened("D7", owner="sato")))
    assert await by_team(kpi, **before) == {"east": 1, UNSET: 0}, "nothing was told of the rep yet: the first that was"
    assert await by_team(kpi, known_at=(AT + timedelta(days=2.5)).isoformat()) == {"east": 3, UNSET: 0}
    assert (await metric(kpi, "opportunity", team="east"))["value"] == 3
    assert (await metric(kpi, "opportunity", team=UNSET))["value"] == 3
    assert (await metric(kpi, "opportunity", team="north"))["value"] == 0
    slots = {part["group"]: part["denominator"] for part in (await metric(kpi, "supply", by="team"))["groups"]}
    assert slots == {name: pytest.approx(2 * 30 / 7) for name in ("east", "west", UNSET)}
    assert (await metric(kpi, "supply", team="east"))["denominator"] == pytest.approx(2 * 30 / 7)


def told_by(figure: dict[str, Any]) -> tuple[Any, Any]:
    """Sums of floats differ in their last digit by the order they were added in; none of a sum is 0 of it."""
    found = figure["numerator"] or 0
    return round(float(found["amount"] if isinstance(found, dict) else found), 9), figure["reason"]


async def test_every_figure_by_team_is_that_of_its_owners(kpi: Rig) -> None:
    await decide(kpi, {"plan_rates": RATES})
    told = [kpi.record(rep(name, team), name, at=BEFORE, recorded=BEFORE) for name, team in TEAMS.items()]
    await take(kpi, [*told, *records(kpi, a_company(4))])
    seen = set()
    for number, one in enumerate(CATALOGUE.values()):
        parts = (await metric(kpi, one.id, **YEAR, by="team"))["groups"]
        owners = (await metric(kpi, one.id, **YEAR, by="owner"))["groups"]
        seen |= {part["group"] for part in parts}
        for side in ("numerator", "denominator"):
            mine, theirs = Counter[str](), Counter[str]()
            for part in parts:
                mine[part["group"]] += part[side] if isinstance(part[side], int) else 0
            for part in owners:
                theirs[TEAMS.get(part["group"], UNSET)] += part[side] if isinstance(part[side], int) else 0
            assert +mine == +theirs, f"{one.id} {side}"
        if parts:
            part = parts[number % len(parts)]  # each in its turn
            alone = await metric(kpi, one.id, **YEAR, team=part["group"])
            assert told_by(alone) == told_by(part), one.id
    assert seen == {*TEAMS.values(), UNSET}


async def test_pages_of_figures_take_a_team(kpi: Rig) -> None:
    await tell(kpi, (-30, rep("sato", "east")), (1, opened("D1", owner="sato")), (2, opened("D2")))
    client, span = kpi.client("viewer"), {"from": "2026-04-01", "to": "2026-05-01"}
    for path in ("funnel", "bottleneck", "forecast", "mrr", "kgi"):
        for more in ({"team": "east"}, {"by": "team"}):
            answer = await client.get(f"/v1/{path}", params={**({} if path == "forecast" else span), **more})
            assert answer.is_success, f"{path} {more} {answer.text}"
    found = await client.get("/v1/metrics/opportunity/records", params={**span, "by": "team"})
    assert [row["slice"] for row in found.json()["items"]] == ["east", UNSET]
