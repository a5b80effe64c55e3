"""Inside sales' pages: what waits (対応待ち), every prospect with what can be done about it, feedback."""

from shared.auth import Role
from shared.feedback.pages import feedback_pages
from shared.web.lists import Act, Ask, Column, Field, ListPage, Show
from shared.web.routes import pages_router

WORKER = (Role.INSIDE_SALES,)
WAITING = frozenset({"waiting", "claimed"})
WORK = frozenset({"waiting", "claimed", "accepted"})
STATUSES = (
    "nurturing",
    "waiting",
    "claimed",
    "accepted",
    "handed_over",
    "opened",
    "won",
    "lost",
    "returned",
    "rejected",
    "dropped",
    "merged",
    "erased",
)
DISCOVERED = ("budget", "authority", "need", "timing", "size")

COLUMNS = (
    Column("company", path="company.name"),
    Column("status", Show.CODE),
    Column("score", Show.NUMBER),
    Column("sla", Show.CODE),
    Column("waiting_minutes", Show.NUMBER),
    Column("claimed_by"),
    Column("channel"),
    Column("mql_at", Show.MOMENT),
    Column("cycle", Show.NUMBER, in_list=False),
    Column("segment", in_list=False),
    Column("product", in_list=False),
    Column("owner", in_list=False),
    Column("sla_due_at", Show.MOMENT, in_list=False),
    Column("first_contact_at", Show.MOMENT, in_list=False),
    Column("accepted_at", Show.MOMENT, in_list=False),
    Column("sql_at", Show.MOMENT, in_list=False),
    *(Column(name, Show.CODE, reasons=(name,), in_list=False) for name in DISCOVERED),
    Column("expected_mrr", Show.MONEY, in_list=False),
    Column("opportunity_id", in_list=False),
    Column("reason", Show.CODE, reasons=("reject", "drop", "return"), in_list=False),
    Column("revisit_on", Show.DAY, in_list=False),
    Column("note", in_list=False),
    Column("comment", in_list=False),
)
ACTS = (
    Act("claim", "/v1/prospects/{id}/claim", WORKER, states=frozenset({"waiting"})),
    Act("release", "/v1/prospects/{id}/release", WORKER, states=frozenset({"claimed"})),
    Act("accept_mql", "/v1/prospects/{id}/accept", WORKER, states=WAITING),
    Act(
        "contact",
        "/v1/prospects/{id}/activities",
        WORKER,
        (
            Field("kind", reasons="kind", required=True),
            Field("outcome", reasons="outcome"),
            Field("note", Ask.LONG),
        ),
        WORK | {"handed_over", "opened"},
        in_list=False,
    ),
    Act(
        "hand_over",
        "/v1/prospects/{id}/hand-over",
        WORKER,
        (
            *(Field(name, reasons=name) for name in DISCOVERED),
            Field("product"),
            Field("expected_mrr", Ask.MONEY),
            Field("comment", Ask.LONG),
            Field("appointment.start_at", Ask.MOMENT),
            Field("appointment.rep"),
            Field("appointment.place", reasons="place"),
        ),
        frozenset({"accepted"}),
    ),
    Act(
        "reject_mql",
        "/v1/prospects/{id}/reject",
        WORKER,
        (Field("reason", reasons="reject", required=True), Field("note", Ask.LONG), Field("revisit_on", Ask.DAY)),
        WAITING,
    ),
    Act(
        "drop",
        "/v1/prospects/{id}/drop",
        WORKER,
        (Field("reason", reasons="drop", required=True), Field("note", Ask.LONG), Field("revisit_on", Ask.DAY)),
        WORK,
        in_list=False,
    ),
)
NEXT = Act("next", "/v1/queue/next", WORKER)

PAGES = (
    ListPage(
        "queue",
        "/v1/queue",
        COLUMNS,
        ACTS,
        (NEXT,),
        (Field("segment"), Field("channel"), Field("region")),
        key="lead_id",
        state="status",
        sort="",
        records="/v1/prospects",
    ),
    ListPage(
        "prospects",
        "/v1/prospects",
        COLUMNS,
        ACTS,
        filters=(Field("status", options=STATUSES), Field("claimed_by"), Field("channel"), Field("segment")),
        key="lead_id",
        state="status",
    ),
    *feedback_pages("inside_sales"),
)
router = pages_router(PAGES)
