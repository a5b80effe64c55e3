"""The invented company in a running system: a short history, then people at work, seen through the APIs alone."""

from datetime import timedelta
from typing import Any

import pytest

from deploy.local.ports import SERVICES
from deploy.simulate.feedback import TEAMS, service_of
from shared.clock import day_of, utc_now
from tests.e2e.conftest import MONTHS, SEED, simulate
from tests.support.system import System, good, until

MILESTONES = {"visitor", "lead", "mql", "mql_accepted", "sql", "opportunity", "won", "customer", "onboarded"}

# What may be seen of each within a quarter of a minute; which of it, their dice decide.
ACTS = {
    "marketing": {"lead", "touch", "mql", "visits"},
    "inside sales": {"call", "accepted", "rejected", "dropped", "sql"},
    "field sales": {"appointment held", "opportunity", "returned", "phase", "first visit", "won", "lost"},
    "customer success": {"onboarding task", "pulse", "ticket opened", "ticket closed", "usage", "renewal"},
    "between them": {"feedback given", "feedback answered", "feedback closed"},
}


@pytest.fixture
def asked(played: Any) -> dict[str, str]:
    """The period everything lies in."""
    today = day_of(utc_now())
    return {
        "from": (today - timedelta(days=(MONTHS + 1) * 31)).isoformat(),
        "to": (today + timedelta(days=1)).isoformat(),
    }


def entries(system: System, asked: dict[str, str]) -> dict[str, int]:
    with system.client("kpi", "viewer") as kpi:
        return {step["milestone"]: step["passes"] for step in good(kpi.get("/v1/funnel", params=asked))["steps"]}


def items(system: System, service: str, path: str, **query: Any) -> list[Any]:
    with system.client(service) as client:
        return list(good(client.get(path, params=query))["items"])


def gauge(system: System, service: str, name: str) -> float:
    """A metric over all its labels; 0 where nothing was counted."""
    with system.client(service) as client:
        page = client.get("/metrics").text
    return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith(name))


def test_nothing_of_the_history_is_refused(played: Any) -> None:
    history = played["history"]
    assert history["refused"] == {}, history["words"]
    assert not history["told_before"]
    assert history["told"] > 300
    assert {job["resource"]: job["refused"] for job in history["imports"]} == dict.fromkeys(
        ("reps", "accounts", "visits", "spend", "leads", "prospects", "contracts", "tickets", "usage"), 0
    )


def test_people_at_work_are_not_refused_either(played: Any) -> None:
    live = played["live"]
    assert live["refused"] == {}, live["words"]
    assert all(acts & set(live["done"]) for acts in ACTS.values()), live["done"]


def test_every_milestone_is_reached(system: System, asked: dict[str, str]) -> None:
    def reached() -> bool:
        found = entries(system, asked)
        return all(found.get(milestone, 0) > 0 for milestone in MILESTONES)

    until(reached, 60, pause=0.5)


def test_leads_come_back_as_another_cycle(system: System, played: Any) -> None:
    again = items(system, "marketing", "/v1/leads", cycle=2, limit=500)
    ours = [lead for lead in again if (lead["external_id"] or "").startswith(f"S{SEED}-")]
    assert ours
    reasons = {row["cycle_source"] for row in items(system, "marketing", "/v1/recycling", limit=500)}
    assert {"no_opportunity", "deal_lost"} <= reasons


def test_there_is_recurring_revenue(system: System, asked: dict[str, str]) -> None:
    def paid() -> int:
        with system.client("kpi", "viewer") as kpi:
            return int(good(kpi.get("/v1/mrr", params={**asked, "currency": "JPY"}))["end"]["amount"])

    assert until(paid, 60, pause=0.5) > 1_000_000


@pytest.mark.parametrize("department", TEAMS)
def test_feedback_is_given_received_and_answered(system: System, played: Any, department: str) -> None:
    box = service_of(department)
    sent = items(system, box, "/v1/feedback", sender=department, limit=500)
    received = items(system, box, "/v1/feedback", receiver=department, limit=500)
    assert sent
    assert {row["state"] for row in received} - {"given"}


def test_targets_and_settings_stand(system: System, played: Any) -> None:
    month = played["history"]["until"][:7]
    targets = items(system, "kpi", "/v1/targets")
    assert {row["stage"] for row in targets if row["period"] == month} == set(SERVICES[:4])
    with system.client("kpi", "viewer") as kpi:
        settings = {row["name"]: row["value"] for row in good(kpi.get("/v1/settings"))["items"]}
    assert settings["gross_margin"] is not None


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_is_parked_or_dead(system: System, played: Any, service: str) -> None:
    until(lambda: gauge(system, service, "themodel_consumer_lag_events") == 0, 60, pause=0.5)
    assert gauge(system, service, "themodel_parked_events") == 0
    assert gauge(system, service, "themodel_dead_letters_total") == 0


def test_the_same_seed_again_tells_nothing_more(system: System, played: Any) -> None:
    again = simulate(system, "--no-live")["history"]
    assert (again["told_before"], again["told"], again["refused"]) == (True, 0, {})
    assert again["until"] == played["history"]["until"]
