"""The health score held against who left and who renewed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.kpi.app import SERVICE
from shared.contracts import Event, customer_success
from shared.ids import told_id
from shared.money import Money
from tests.support.rig import MakeRig, Rig

CAME = datetime(2026, 5, 20, tzinfo=UTC)
ASKED = {"from": "2026-01-01", "to": "2026-07-01", "as_of": "2026-07-01T00:00:00Z"}
BANDS = {"healthy": 85.0, "watch": 60.0, "risk": 20.0}


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await make_rig(SERVICE)


async def tell(kpi: Rig, name: str, event: type[Event], before: float, *, late: float = 0, **more: Any) -> None:
    """So many days before it came; recorded `late` days after that."""
    account = told_id("account", name)
    at = CAME - timedelta(days=before)
    told = event.model_validate({"account_id": account, "account_external_id": name, **more})
    await kpi.deliver(told, account, at=at, recorded=at + timedelta(days=late))


async def customer(kpi: Rig, name: str, *bands: tuple[float, str], left: bool, segment: str = "SMB") -> None:
    """Under contract for a year, in these bands from so many days before, and then gone or renewed."""
    contract, paid = told_id("contract", name), Money(amount=100, currency="JPY")
    about: dict[str, Any] = {"contract_id": contract, "segment": segment}
    opening: dict[str, Any] = {"opening_key": str(contract), "mrr": paid, "starts_on": "2025-05-20"}
    await tell(kpi, name, customer_success.ContractStarted, 365, **about, **opening)
    for days, band in bands:
        await tell(kpi, name, customer_success.HealthChanged, days, score=BANDS[band], band=band, coverage=1)
    if left:
        less = Money(amount=-100, currency="JPY")
        await tell(kpi, name, customer_success.SubscriptionChanged, 0, delta=less, **about)
    else:
        await tell(kpi, name, customer_success.ContractRenewed, 0, term_months=12, **about)


async def ask(kpi: Rig, **asked: str) -> Any:
    answer = await kpi.client("viewer").get("/v1/health-backtest", params={**ASKED, **asked})
    assert answer.status_code == 200, answer.text
    return answer.json()


def counted(found: Any) -> dict[str, tuple[int, int]]:
    return {row["band"]: (row["churned"], row["renewed"]) for row in found["confusion"]}


async def test_green_but_churned_and_red_but_renewed_by_what_was_known_then(kpi: Rig) -> None:
    await customer(kpi, "seen", (200, "risk"), left=True)
    await customer(kpi, "missed", (200, "healthy"), (50, "risk"), left=True)
    await customer(kpi, "between", (200, "healthy"), (70, "risk"), left=True)
    await customer(kpi, "false", (200, "risk"), left=False)
    await customer(kpi, "saved", (200, "risk"), left=False)
    await tell(kpi, "saved", customer_success.PulseRecorded, 30, kind="csm", score=3)
    await tell(kpi, "saved", customer_success.ChurnRiskRaised, 40)
    await customer(kpi, "fine", (200, "healthy"), left=False, segment="ENT")
    await customer(kpi, "silent", left=False)
    sixty, ninety = (await ask(kpi))["whole"]
    assert counted(sixty) == {"healthy": (1, 1), "watch": (0, 0), "risk": (2, 2), "unknown": (0, 1)}
    assert counted(ninety) == {"healthy": (2, 1), "watch": (0, 0), "risk": (1, 2), "unknown": (0, 1)}
    assert (sixty["recall"]["numerator"], sixty["recall"]["denominator"]) == (2, 3)
    assert (sixty["precision"]["numerator"], sixty["precision"]["denominator"]) == (2, 4)
    assert (sixty["untreated_precision"]["numerator"], sixty["untreated_precision"]["denominator"]) == (2, 3)
    assert (sixty["red_renewed"]["numerator"], sixty["red_renewed"]["denominator"]) == (2, 3)
    found = await ask(kpi)
    misses = {(row["account_external_id"], row["days_before"]): row for row in found["misses"]}
    assert found["miss_count"] == len(misses) == 7
    assert misses["missed", 60]["kind"] == "green_churned"
    assert ("between", 60) not in misses
    assert misses["between", 90]["kind"] == "green_churned"
    assert (misses["saved", 60]["treated"], misses["saved", 60]["alarmed"]) == (True, True)
    assert (misses["false", 60]["treated"], misses["false", 60]["alarmed"]) == (False, False)


async def test_a_score_that_was_told_later_was_not_known(kpi: Rig) -> None:
    await customer(kpi, "late", (200, "healthy"), left=True)
    await tell(kpi, "late", customer_success.HealthChanged, 100, late=50, score=20.0, band="risk", coverage=1)
    assert counted((await ask(kpi))["whole"][0])["healthy"] == (1, 0)


async def test_by_quarter_filter_and_as_of(kpi: Rig) -> None:
    await customer(kpi, "one", (200, "risk"), left=True)
    await customer(kpi, "other", (200, "risk"), left=False, segment="ENT")
    found = await ask(kpi)
    first, second = found["quarters"]
    assert (first["from"], second["to"], second["is_partial"]) == ("2026-01-01", "2026-07-01", False)
    assert counted(first["before"][0])["risk"] == (0, 0)
    assert counted(second["before"][0])["risk"] == (1, 1)
    assert first["before"][0]["recall"]["reason"] == "no_base"
    for sliced in ("entry", "latest"):
        only = await ask(kpi, segment="ENT", slice=sliced, cycles="first")
        assert counted(only["whole"][0])["risk"] == (0, 1)
    early = await ask(kpi, as_of="2026-05-01T00:00:00Z")
    assert counted(early["whole"][0])["risk"] == (0, 0)
    assert early["quarters"][1]["is_partial"]
    known = await ask(kpi, known_at="2026-05-01T00:00:00Z")
    assert counted(known["whole"][0])["risk"] == (0, 0)


async def test_monthly_renewals_are_no_outcome_and_an_empty_company_has_none(kpi: Rig) -> None:
    assert (await ask(kpi))["whole"][0]["precision"]["value"] is None
    contract: dict[str, Any] = {"contract_id": told_id("contract", "m"), "term_months": 1}
    await tell(kpi, "m", customer_success.ContractRenewed, 0, **contract)
    assert counted((await ask(kpi))["whole"][0])["unknown"] == (0, 0)


@pytest.mark.parametrize(("field", "value"), [("by", "segment"), ("interval", "month"), ("luck", "1")])
async def test_what_cannot_be_asked_is_refused(kpi: Rig, field: str, value: str) -> None:
    answer = await kpi.client("viewer").get("/v1/health-backtest", params={field: value})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
