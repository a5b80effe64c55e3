"""Field sales' pages: opportunities (商談) from the offered SQL to the deal, feedback."""

from collections.abc import Mapping
from typing import Any

from shared.auth import Role
from shared.feedback.pages import feedback_pages
from shared.web.lists import Act, Ask, Column, Field, ListPage, Show
from shared.web.routes import pages_router

SELLER = (Role.FIELD_SALES,)
OFFERED, OPEN, CLOSED = frozenset({"offered"}), frozenset({"open"}), frozenset({"won", "lost"})
DISCOVERED = ("budget", "authority", "need", "timing", "size")
ENDING = (Field("note", Ask.LONG), Field("revisit_on", Ask.DAY))
PRICES = (Field("mrr", Ask.MONEY), Field("amount", Ask.MONEY))


def _appointment(*statuses: str) -> Any:
    """Whether the opportunity's appointment stands in one of `statuses`."""

    def stands(item: Mapping[str, Any]) -> bool:
        return (item.get("appointment") or {}).get("status") in statuses

    return stands


COLUMNS = (
    Column("account_name"),
    Column("status", Show.CODE, reasons=("status",)),
    Column("phase", Show.CODE, reasons=("phase",)),
    Column("mrr", Show.MONEY),
    Column("expected_close_date", Show.DAY),
    Column("owner"),
    Column("appointment_status", Show.CODE, path="appointment.status"),
    Column("appointment.start_at", Show.MOMENT, path="appointment.start_at"),
    Column("origin", Show.CODE, reasons=("origin",), in_list=False),
    Column("amount", Show.MONEY, in_list=False),
    Column("forecast_category", Show.CODE, reasons=("forecast_category",), in_list=False),
    Column("next_step", in_list=False),
    Column("channel", in_list=False),
    Column("segment", in_list=False),
    Column("product", in_list=False),
    *(Column(name, Show.CODE, path=f"note.{name}", reasons=(name,), in_list=False) for name in DISCOVERED),
    Column("offered_at", Show.MOMENT, in_list=False),
    Column("opened_at", Show.MOMENT, in_list=False),
    Column("closed_at", Show.MOMENT, in_list=False),
    Column("reason", Show.CODE, reasons=("lose", "return"), in_list=False),
    Column("comment", in_list=False),
)
ACTS = (
    Act(
        "accept_sql",
        "/v1/opportunities/{id}/accept",
        SELLER,
        (*PRICES, Field("expected_close_date", Ask.DAY)),
        OFFERED,
    ),
    Act(
        "return_sql",
        "/v1/opportunities/{id}/return",
        SELLER,
        (Field("reason", reasons="return", required=True), *ENDING),
        OFFERED,
    ),
    Act("held", "/v1/opportunities/{id}/appointment/held", SELLER, when=_appointment("set")),
    Act("missed", "/v1/opportunities/{id}/appointment/missed", SELLER, in_list=False, when=_appointment("set")),
    Act(
        "reschedule",
        "/v1/opportunities/{id}/appointment/reschedule",
        SELLER,
        (Field("start_at", Ask.MOMENT, required=True),),
        in_list=False,
        when=_appointment("set", "missed"),
    ),
    Act(
        "cancel",
        "/v1/opportunities/{id}/appointment/cancel",
        SELLER,
        (Field("reason", reasons="cancel"),),
        in_list=False,
        when=_appointment("set", "missed"),
    ),
    Act(
        "first_visit",
        "/v1/opportunities/{id}/first-visit",
        SELLER,
        (
            *(Field(name, reasons=name) for name in DISCOVERED),
            Field("valid", Ask.YES_NO, required=True),
            Field("reason", reasons="first_visit"),
            Field("note", Ask.LONG),
        ),
        OPEN,
        when=_appointment("held"),
    ),
    Act("phase", "/v1/opportunities/{id}/phase", SELLER, (Field("phase", reasons="phase", required=True),), OPEN),
    Act(
        "change",
        "/v1/opportunities/{id}",
        SELLER,
        (
            *PRICES,
            Field("expected_close_date", Ask.DAY),
            Field("forecast_category", reasons="forecast_category"),
            Field("next_step", Ask.LONG),
        ),
        OFFERED | OPEN,
        method="PATCH",
        in_list=False,
    ),
    Act(
        "win",
        "/v1/opportunities/{id}/win",
        SELLER,
        (
            *PRICES,
            Field("won_on", Ask.DAY),
            Field("starts_on", Ask.DAY),
            Field("term_months", Ask.NUMBER),
            Field("promises", Ask.LINES),
        ),
        OPEN,
    ),
    Act(
        "lose",
        "/v1/opportunities/{id}/lose",
        SELLER,
        (Field("reason", reasons="lose", required=True), *ENDING),
        OPEN,
    ),
    Act("reopen", "/v1/opportunities/{id}/reopen", SELLER, states=CLOSED),
)
OUTSIDE = Act(
    "open_opportunity",
    "/v1/opportunities",
    SELLER,
    (
        Field("origin", required=True, options=("self_sourced", "partner", "referral", "expansion", "renewal")),
        Field("account_name", required=True),
        *PRICES,
        Field("expected_close_date", Ask.DAY),
    ),
)

PAGES = (
    ListPage(
        "opportunities",
        "/v1/opportunities",
        COLUMNS,
        ACTS,
        (OUTSIDE,),
        (
            Field("status", reasons="status"),
            Field("phase", reasons="phase"),
            Field("owner"),
            Field("channel"),
            Field("segment"),
        ),
        state="status",
    ),
    *feedback_pages("field_sales"),
)
router = pages_router(PAGES)
