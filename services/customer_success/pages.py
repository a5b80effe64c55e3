"""Customer success' pages: customers (顧客) and their contracts, feedback of its own and of the product team."""

from collections.abc import Mapping
from typing import Any

from shared.auth import Role
from shared.feedback.pages import feedback_pages
from shared.web.lists import Act, Ask, Column, Field, ListPage, Show
from shared.web.routes import pages_router
from shared.web.words import Words

OURS = (Role.CUSTOMER_SUCCESS,)
RUNNING = frozenset({"scheduled", "active"})


def _tasks(customer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of a customer's onboarding, those that are not done; the list of customers does not tell them."""
    return [task for task in (customer.get("onboarding") or {}).get("tasks", []) if not task["completed_at"]]


def _open_tasks(customer: Mapping[str, Any], words: Words) -> list[tuple[str, str]]:
    return [(task["key"], task[words.language]) for task in _tasks(customer)]


def _task(task: Mapping[str, Any], words: Words) -> str:
    done = task["completed_at"]
    day = (
        words.t("site.done_on", day=words.moment(done))
        if done
        else words.t("site.due_on", day=words.day(task["due_on"]))
    )
    return f"{task[words.language]} ({day})"


def _promises(customer: Mapping[str, Any], words: Words) -> list[tuple[str, str]]:
    return [(str(one["number"]), one["text"]) for one in customer.get("promises", [])]


def _promise(promise: Mapping[str, Any], words: Words) -> str:
    return f"{promise['text']} ({words.code('values.kept', promise['kept'] or 'not_reviewed')})"


def _money(amount: Mapping[str, Any], words: Words) -> str:
    return words.money(amount)


CUSTOMERS = ListPage(
    "customers",
    "/v1/customers",
    (
        Column("customer", path="name"),
        Column("status", Show.CODE),
        Column("mrr", Show.LINES, each=_money),
        Column("band", Show.CODE, path="health.band"),
        Column("health_score", Show.NUMBER, path="health.score"),
        Column("renewal_on", Show.DAY),
        Column("owner"),
        Column("segment"),
        Column("risk", Show.MOMENT, path="risk.since", in_list=False),
        Column("accepted_at", Show.MOMENT, in_list=False),
        Column("onboarded_at", Show.MOMENT, in_list=False),
        Column("churned_at", Show.MOMENT, in_list=False),
        Column("churn_reason", Show.CODE, reasons=("churn",), in_list=False),
        Column("tasks", Show.LINES, path="onboarding.tasks", in_list=False, each=_task),
        Column("promises", Show.LINES, in_list=False, each=_promise),
    ),
    (
        Act(
            "complete",
            "/v1/customers/{id}/onboarding/{task}/complete",
            OURS,
            (Field("task", required=True, among=_open_tasks), Field("note", Ask.LONG)),
            when=lambda customer: bool(_tasks(customer)),
        ),
        Act(
            "review_promise",
            "/v1/customers/{id}/promises/{number}/review",
            OURS,
            (
                Field("number", required=True, among=_promises),
                Field("kept", required=True, options=("yes", "partly", "no")),
                Field("note", Ask.LONG),
            ),
            when=lambda customer: bool(customer.get("promises")),
        ),
        Act(
            "pulse",
            "/v1/customers/{id}/pulse",
            OURS,
            (
                Field("kind", required=True, options=("nps", "csat", "csm")),
                Field("score", Ask.NUMBER, required=True),
                Field("respondent_role", reasons="respondent_role"),
                Field("note", Ask.LONG),
            ),
            in_list=False,
        ),
    ),
    filters=(
        Field("status", options=("scheduled", "onboarding", "active", "dormant", "churned")),
        Field("band", options=("healthy", "watch", "risk", "unknown")),
        Field("owner"),
        Field("segment"),
    ),
    state="status",
)
CONTRACTS = ListPage(
    "contracts",
    "/v1/contracts",
    (
        Column("external_id"),
        Column("status", Show.CODE),
        Column("mrr", Show.MONEY),
        Column("plan"),
        Column("starts_on", Show.DAY),
        Column("renewal_on", Show.DAY),
        Column("owner"),
        Column("customer_id", in_list=False),
        Column("term_months", Show.NUMBER, in_list=False),
        Column("seats", Show.NUMBER, in_list=False),
        Column("billing_starts_on", Show.DAY, in_list=False),
        Column("ends_on", Show.DAY, in_list=False),
        Column("end_reason", Show.CODE, reasons=("churn",), in_list=False),
    ),
    (
        Act(
            "change_contract",
            "/v1/contracts/{id}/change",
            OURS,
            (Field("mrr", Ask.MONEY, required=True), Field("reason", reasons="change", required=True)),
            RUNNING,
        ),
        Act(
            "renew",
            "/v1/contracts/{id}/renew",
            OURS,
            (Field("term_months", Ask.NUMBER), Field("mrr", Ask.MONEY)),
            frozenset({"active"}),
        ),
        Act(
            "churn",
            "/v1/contracts/{id}/churn",
            OURS,
            (
                Field("reason", reasons="churn", required=True),
                Field("reason_kind", options=("cancellation", "non_renewal")),
                Field("churned_on", Ask.DAY),
                Field("revisit_on", Ask.DAY),
            ),
            RUNNING,
        ),
    ),
    filters=(
        Field("status", options=("scheduled", "active", "ended", "void")),
        Field("plan"),
        Field("owner"),
        Field("segment"),
    ),
    state="status",
)

PAGES = (CUSTOMERS, CONTRACTS, *feedback_pages("customer_success", "product"))
router = pages_router(PAGES)
