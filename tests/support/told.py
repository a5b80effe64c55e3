"""A told history in which every kind of event that a department takes occurs, in a year of its own."""

import json
from typing import Any

from shared.ids import told_id

SALE, QUIET, SKIPPED, UNJUDGED = ({"lead": f"P{number}", "cycle": 1} for number in range(1, 5))
DEAL = {**SALE, "opportunity": "PD1"}
CUSTOMER = {"account": "AC1"}
CODES = {"budget": "planned", "authority": "recommender", "need": "explicit", "timing": "within_3_months"}


def _id(number: int) -> str:
    return f"0197{number:04d}-0000-7000-8000-000000000000"


APPOINTMENT, TICKET, ITEM = _id(1), _id(2), _id(3)
LOST = [{"kind": "opportunity", "id": str(told_id("opportunity", "PD3"))}]
MARKETING: list[tuple[str, str, dict[str, Any]]] = [
    ("03-01", "account_created", {**CUSTOMER, "account_name": "青葉商事", "industry": "it"}),
    ("03-02", "lead_created", {**SALE, **CUSTOMER, "channel": "ads", "owner": "mk-1"}),
    *(("03-02", "lead_created", {**lead, "channel": "event"}) for lead in (QUIET, SKIPPED, UNJUDGED)),
    ("03-02", "lead_created", {"lead": "P5", "cycle": 1}),
    ("03-03", "touch_recorded", {**SALE, "touch_id": _id(4), "kind": "webinar", "content": "w1"}),
    ("03-03", "visits_recorded", {"date": "2024-03-02", "channel": "ads", "campaign": "brand", "visitors": 12}),
    ("03-03", "spend_recorded", {"date": "2024-03-02", "channel": "ads", "spend": 1000}),
    ("03-04", "lead_updated", {**SALE, "region": "関東", "product": "crm"}),
    ("03-05", "lead_merged", {**QUIET, "merged_lead_id": str(told_id("lead", "P5"))}),
    ("03-05", "mql_created", SALE),
    ("03-05", "mql_created", QUIET),
    ("04-21", "feedback_updated", {"feedback_id": ITEM, "state": "declined", "at": "2024-04-21T00:00:00Z"}),
    ("06-01", "lead_recycled", {**QUIET, "cycle": 2, "cycle_source": "no_opportunity"}),
]
INSIDE_SALES: list[tuple[str, str, dict[str, Any]]] = [
    ("03-06", "first_contact_made", {**SALE, "kind": "call", "owner": "is-1"}),
    ("03-06", "mql_accepted", {**SALE, "owner": "is-1"}),
    ("03-07", "sql_accepted", {**SALE, **CODES, "size": "up_to_99", "expected_mrr": 90000, "owner": "is-1"}),
    (
        "03-08",
        "appointment_set",
        {**SALE, "appointment_id": APPOINTMENT, "opportunity_id": _id(5), "start_at": "2024-03-10T05:00:00Z"},
    ),
    ("03-09", "lead_dropped", {**QUIET, "reason": "no_opportunity", "recyclable": True, "revisit_on": "2024-06-01"}),
    ("03-09", "mql_accepted", UNJUDGED),
    ("03-10", "sql_accepted", UNJUDGED),
]
FIELD_SALES: list[tuple[str, str, dict[str, Any]]] = [
    ("03-05", "opportunity_opened", {"opportunity": "PD5", "origin": "partner", "account": "AC5", "mrr": 20000}),
    ("03-09", "capacity_changed", {"rep_id": "fs-1", "slots_per_week": 5}),
    ("03-10", "appointment_held", DEAL),
    ("03-11", "opportunity_opened", {**UNJUDGED, "opportunity": "PD4", "amount": 500000}),
    ("03-09", "opportunity_opened", {**DEAL, "mrr": 90000, "expected_close_date": "2024-05-01", "owner": "fs-1"}),
    ("03-12", "first_visit_reviewed", {**DEAL, "valid": True, "compared": [], "differing": []}),
    ("03-13", "opportunity_updated", {**DEAL, "phase": "proposal", "forecast_category": "commit", "mrr": 95000}),
    ("03-20", "opportunity_opened", {**SKIPPED, "opportunity": "PD3", "mrr": 1000, "phase": "proposal"}),
    ("03-21", "deal_lost", {**SKIPPED, "opportunity": "PD3", "reason": "price"}),
    ("03-25", "deal_won", {"opportunity": "PD5", "account": "AC5"}),
    ("04-01", "deal_won", {**DEAL, **CUSTOMER, "term_months": 12, "promises": [{"number": 1, "text": "初期設定"}]}),
    (
        "04-20",
        "feedback_given",
        {"feedback_id": ITEM, "external_id": "FB1", "sender": "field_sales", "receiver": "marketing", "kind": "loss"}
        | {"refs": LOST},
    ),
    (
        "04-22",
        "feedback_updated",
        {"feedback_id": ITEM, "state": "closed", "at": "2024-04-22T00:00:00Z", "useful": False},
    ),
]
CUSTOMER_SUCCESS: list[tuple[str, str, dict[str, Any]]] = [
    (
        "04-02",
        "contract_started",
        {**CUSTOMER, "contract": "K1", "opening_key": "", "mrr": 95000, "starts_on": "2024-04-01"},
    ),
    ("04-10", "pulse_recorded", {**CUSTOMER, "kind": "nps", "score": 9}),
    ("04-11", "ticket_opened", {**CUSTOMER, "ticket_id": TICKET, "kind": "question", "priority": "high"}),
    ("04-12", "ticket_closed", {**CUSTOMER, "ticket_id": TICKET, "satisfaction": 4}),
    ("04-20", "promise_reviewed", {**CUSTOMER, "number": 1, "kept": "yes"}),
    ("04-25", "subscription_changed", {"account": "AC5", "delta": 1000, "reason": "upsell"}),
    ("05-01", "onboarding_completed", CUSTOMER),
    ("05-10", "subscription_changed", {**CUSTOMER, "contract": "K1", "delta": 5000, "reason": "seats_added"}),
    ("06-01", "contract_renewed", {**CUSTOMER, "contract": "K1", "term_months": 12}),
    ("07-01", "subscription_changed", {**CUSTOMER, "contract": "K1", "delta": -100000}),
    ("07-01", "customer_churned", {**CUSTOMER, "contract": "K1", "reason": "price"}),
]


def everything() -> list[str]:
    """The lines, of each department in the order of its days."""
    every = {"marketing": MARKETING, "inside_sales": INSIDE_SALES, "field_sales": FIELD_SALES}
    every |= {"customer_success": CUSTOMER_SUCCESS}
    lines = []
    for department, told in every.items():
        for number, (day, kind, data) in enumerate(told):
            by = {"by": department} if kind == "feedback_updated" else {}
            one = {"id": f"{department}-{number}", "type": f"{department}.{kind}.v1", "data": data | by}
            lines.append(json.dumps(one | {"occurred_at": f"2024-{day}T01:00:00Z"}))
    return lines
