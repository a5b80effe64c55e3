"""Models are believed only where they beat the rule on what they had not seen; below the floor the rule stays."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.kpi.app import SERVICE
from shared.contracts import customer_success, marketing
from shared.ids import told_id
from tests.support.kpi_customers import AS_OF, BEGAN, Book, mqls, tell
from tests.support.rig import MakeRig, Rig

ASKED = {"from": "2025-01-01", "to": "2026-07-01", "as_of": AS_OF.isoformat().replace("+00:00", "Z")}


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    rig = await make_rig(SERVICE)
    rig.app.state.trained.keep = timedelta(0)
    return rig


async def ask(kpi: Rig, path: str, **asked: str) -> Any:
    answer = await kpi.client("viewer").get(f"/v1/models/{path}", params={**ASKED, **asked})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_signal_in_use_is_found_and_beats_the_health_score(kpi: Rig) -> None:
    await tell(kpi, Book(customers=200, churns=110).told())
    card = await ask(kpi, "churn")
    assert (card["used"], card["reason"], card["algorithm"]) == ("model", None, "logistic_l2")
    assert card["contest"]["ci95"][0] > 0
    assert card["of_model"]["auc_pr"] > card["of_rule"]["auc_pr"]
    assert card["of_model"]["brier_skill"] > 0.1
    assert card["of_model"]["lift"] > 1.5
    assert card["weights"][0]["feature"] in ("usage_trend", "usage_4w")
    assert card["weights"][0]["rises"] == -1
    assert sum(part["rows"] for part in card["of_model"]["bins"]) == card["split"]["judged_rows"]
    book = await ask(kpi, "churn/accounts", limit="2")
    assert (book["used"], len(book["items"])) == ("model", 2)
    first, second = book["items"]
    assert first["value_at_risk"]["amount"] == pytest.approx(first["chance"] * first["mrr"]["amount"], abs=1)
    assert first["value_at_risk"]["amount"] >= second["value_at_risk"]["amount"]
    assert 1 <= len(first["reasons"]) <= 6
    seen, cursor = [row["account_id"] for row in book["items"]], book["next_cursor"]
    while cursor:
        page = await ask(kpi, "churn/accounts", limit="40", cursor=cursor)
        seen += [row["account_id"] for row in page["items"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) == book["customers"] > 90


async def test_what_is_told_after_the_moment_changes_nothing(kpi: Rig) -> None:
    await tell(kpi, Book(customers=120, churns=70).told())
    before = await ask(kpi, "churn")
    for number in range(120):  # use of long ago, recorded only now
        account = told_id("account", str(number))
        late = customer_success.UsageSummarised(account_id=account, week=BEGAN.date(), count=9_000 * (number % 2))
        at = BEGAN + timedelta(days=100)
        await kpi.deliver(late, account, at=at, recorded=AS_OF + timedelta(days=1))
    after = await ask(kpi, "churn")
    assert _told(after) == _told(before)
    assert _told(await ask(kpi, "churn", knowledge="occurred")) != _told(before), "as if it had been known"


def _told(card: Any) -> Any:
    return {name: value for name, value in card.items() if name not in ("trained_at", "fresh_to", "late")}


async def test_without_a_signal_the_rule_stays(kpi: Rig) -> None:
    await tell(kpi, mqls(1300, signal=False))
    card = await ask(kpi, "lead-score")
    assert (card["used"], card["reason"]) == ("rule", "not_better_than_rule")
    assert card["contest"]["ci95"][0] <= 0


async def test_a_signal_in_leads_is_found_although_the_score_says_nothing(kpi: Rig) -> None:
    await tell(kpi, mqls(1300, signal=True))
    card = await ask(kpi, "lead-score")
    assert (card["used"], card["population"], card["horizon_days"]) == ("model", 1300, 60)
    assert {weight["feature"] for weight in card["weights"][:4]} & {"channel", "touches_30d"}
    assert card["of_model"]["auc"] > card["of_rule"]["auc"]
    assert card["split"]["left_between"] > 0, "their outcome was not known at the cut"
    only = await ask(kpi, "lead-score", channel="event")
    assert only["population"] < 1300
    assert (only["used"], only["reason"]) == ("rule", "too_few")
    await _touch_later(kpi)
    assert _told(await ask(kpi, "lead-score")) == _told(card)


async def _touch_later(kpi: Rig) -> None:
    """Touches after the MQL, and one of before that was recorded after it."""
    for place in range(200):
        key = told_id("lead", str(place))
        late = marketing.TouchRecorded(lead_id=key, cycle=1, touch_id=told_id("touch", f"{place}/late"), kind="call")
        await kpi.deliver(late, key, at=BEGAN - timedelta(days=7 - place % 7), recorded=AS_OF)


async def test_below_the_floor_it_says_how_much_is_missing(kpi: Rig) -> None:
    await tell(kpi, Book(customers=40, churns=12).told())
    card = await ask(kpi, "churn")
    assert (card["used"], card["reason"]) == ("segment_rate", "too_few")
    assert (card["floor"]["events"], card["floor"]["missing_events"]) == (12, 18)
    assert "18" in card["says_en"]
    book = await ask(kpi, "churn/accounts")
    assert {row["segment"] for row in book["items"]} == {"SMB", "ENT"}
    assert len({row["chance"] for row in book["items"]}) == 2, "by what came of each segment"
    leads = await ask(kpi, "lead-score")
    assert (leads["used"], leads["floor"]["missing_rows"], leads["floor"]["missing_events"]) == ("rule", 1000, 120)


async def test_of_a_company_of_which_nothing_is_told(kpi: Rig) -> None:
    for path in ("lead-score", "churn"):
        for more in (
            {},
            {"slice": "latest", "segment": "SMB", "cycles": "first"},
            {"known_at": "2026-01-01T00:00:00Z"},
        ):
            card = await ask(kpi, path, **more)
            assert (card["reason"], card["base_rate"], card["population"]) == ("too_few", None, 0)
    book = await ask(kpi, "churn/accounts", known_at="2026-01-01T00:00:00Z")
    assert (book["items"], book["customers"], book["next_cursor"]) == ([], 0, None)


async def test_it_is_learned_once_and_others_are_answered_meanwhile(kpi: Rig) -> None:
    await tell(kpi, Book(customers=150, churns=90).told())
    client, ended = kpi.client("viewer"), list[str]()

    async def get(name: str, path: str) -> Any:
        found = (await client.get(path, params=ASKED)).json()
        ended.append(name)
        return found

    cards = await asyncio.gather(
        get("one", "/v1/models/churn"), get("other", "/v1/models/churn"), get("figure", "/v1/metrics/won")
    )
    assert ended[0] == "figure"
    assert cards[0]["trained_at"] == cards[1]["trained_at"]
    again = await get("again", "/v1/models/churn")
    assert again["trained_at"] == cards[0]["trained_at"], "nothing new is known"
    await tell(kpi, mqls(1, signal=False))
    assert (await get("new", "/v1/models/churn"))["trained_at"] != cards[0]["trained_at"]
    kpi.app.state.trained.keep = timedelta(hours=1)
    kept = await get("kept", "/v1/models/churn")
    await tell(kpi, mqls(2, signal=False, seed=2))
    assert (await get("kept", "/v1/models/churn"))["trained_at"] == kept["trained_at"]


@pytest.mark.parametrize(
    ("path", "params", "field"),
    [
        ("churn", {"by": "segment"}, "by"),
        ("lead-score", {"interval": "month"}, "interval"),
        ("churn", {"knowledge": "tomorrow"}, "knowledge"),
        ("churn/accounts", {"cursor": "nonsense"}, "cursor"),
        ("churn/accounts", {"cursor": "NaN_x"}, "cursor"),
        ("churn/accounts", {"limit": "501"}, "limit"),
    ],
)
async def test_what_cannot_be_asked_is_refused(kpi: Rig, path: str, params: dict[str, str], field: str) -> None:
    answer = await kpi.client("viewer").get(f"/v1/models/{path}", params={**ASKED, **params})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field
