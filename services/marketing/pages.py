"""Marketing's pages: leads (リード) from capture to MQL and back again, feedback."""

from shared.auth import Role
from shared.feedback.pages import feedback_pages
from shared.web.lists import Act, Ask, Column, Field, ListPage, Show
from shared.web.routes import pages_router

MARKETER = (Role.MARKETING,)
ENDED = frozenset({"rejected", "dropped", "returned", "lost", "dormant", "churned"})
TOUCHES = (
    "page_view",
    "pricing_view",
    "email_click",
    "content_download",
    "form",
    "event",
    "webinar",
    "trial",
    "demo_request",
    "contact_request",
)

COLUMNS = (
    Column("name"),
    Column("company"),
    Column("stage", Show.CODE, reasons=("stage",)),
    Column("score", Show.NUMBER),
    Column("channel"),
    Column("segment"),
    Column("created_at", Show.MOMENT),
    Column("mql_at", Show.MOMENT),
    Column("email", in_list=False),
    Column("phone", in_list=False),
    Column("department", in_list=False),
    Column("job_title", in_list=False),
    Column("campaign", in_list=False),
    Column("industry", in_list=False),
    Column("product", in_list=False),
    Column("region", in_list=False),
    Column("owner", in_list=False),
    Column("downstream_owner", in_list=False),
    Column("consent", Show.CODE, in_list=False),
    Column("cycle", Show.NUMBER, in_list=False),
    Column("fit", Show.NUMBER, in_list=False),
    Column("engagement", Show.NUMBER, in_list=False),
    Column("revisit_on", Show.DAY, in_list=False),
)
ACTS = (
    Act(
        "qualify",
        "/v1/leads/{id}/qualify",
        MARKETER,
        (Field("override_reason", Ask.LONG),),
        frozenset({"nurturing"}),
    ),
    Act(
        "recycle",
        "/v1/leads/{id}/recycle",
        MARKETER,
        (Field("cycle_source", reasons="cycle_source"), Field("revisit_on", Ask.DAY), Field("note", Ask.LONG)),
        ENDED,
    ),
    Act(
        "touch",
        "/v1/leads/{id}/touches",
        MARKETER,
        (Field("kind", required=True, options=TOUCHES), Field("content"), Field("note", Ask.LONG)),
        in_list=False,
    ),
)
CAPTURE = Act(
    "capture",
    "/v1/leads",
    MARKETER,
    (
        Field("name"),
        Field("company"),
        Field("email", Ask.EMAIL),
        Field("phone", Ask.PHONE),
        Field("department"),
        Field("job_title"),
        Field("channel"),
        Field("campaign"),
        Field("segment"),
        Field("industry"),
        Field("product"),
        Field("region"),
        Field("consent", Ask.YES_NO),
    ),
)

PAGES = (
    ListPage(
        "leads",
        "/v1/leads",
        COLUMNS,
        ACTS,
        (CAPTURE,),
        (Field("stage", reasons="stage"), Field("channel"), Field("campaign"), Field("segment"), Field("owner")),
        state="stage",
    ),
    *feedback_pages("marketing"),
)
router = pages_router(PAGES)
