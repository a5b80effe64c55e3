"""The two boxes of a department as pages: what it was given, what it gave."""

from shared.auth import Role
from shared.contracts.feedback import Party
from shared.feedback.items import State
from shared.feedback.kinds import Kind
from shared.web.lists import Act, Ask, Body, Column, Field, ListPage, Show

PARTIES = ("marketing", "inside_sales", "field_sales", "customer_success", "product")
SEVERITIES = ("low", "normal", "high", "urgent")
REFERENCES = ("lead", "account", "opportunity", "contract", "campaign", "content")
WHOLE = (
    Column("kind", Show.CODE),
    Column("state", Show.CODE),
    Column("sender", Show.CODE),
    Column("receiver", Show.CODE),
    Column("text"),
    Column("severity", Show.CODE),
    Column("given_at", Show.MOMENT),
    Column("acknowledged_at", Show.MOMENT, in_list=False),
    Column("decided_at", Show.MOMENT, in_list=False),
    Column("decision_reason", in_list=False),
    Column("change", in_list=False),
    Column("useful", Show.CODE, in_list=False),
)
FILTERS = (
    Field("state", options=tuple(State)),
    Field("kind", options=tuple(Kind)),
    Field("severity", options=SEVERITIES),
)


def _referring(body: Body) -> Body:
    """One thing it is about, where it was named."""
    kind, of = body.pop("ref_kind", None), body.pop("ref_id", None)
    return {**body, "refs": [{"kind": kind, "id": of}]} if kind and of else body


def feedback_pages(*parties: Party) -> tuple[ListPage, ListPage]:
    """For a service that keeps the boxes of `parties`, its own first."""
    roles = tuple(Role(party) for party in parties)
    others = tuple(party for party in PARTIES if party not in parties[:1])
    given_state, decided = frozenset({State.GIVEN}), frozenset({State.GIVEN, State.ACKNOWLEDGED})
    acts = (
        Act("acknowledge", "/v1/feedback/{id}/acknowledge", roles, states=given_state, whose="receiver"),
        Act(
            "decide",
            "/v1/feedback/{id}/decide",
            roles,
            (Field("accept", Ask.YES_NO, required=True), Field("reason", Ask.LONG)),
            states=decided,
            whose="receiver",
        ),
        Act(
            "act",
            "/v1/feedback/{id}/act",
            roles,
            (Field("change", Ask.LONG, required=True),),
            frozenset({State.ACCEPTED}),
        ),
    )
    close = Act(
        "close",
        "/v1/feedback/{id}/close",
        roles,
        (Field("useful", Ask.YES_NO, required=True),),
        frozenset({State.ACTED, State.DECLINED}),
        whose="sender",
    )
    give = Act(
        "give",
        "/v1/feedback",
        roles,
        (
            Field("to", required=True, options=others),
            Field("kind", required=True, options=tuple(Kind)),
            Field("text", Ask.LONG, required=True),
            Field("severity", options=SEVERITIES),
            Field("ref_kind", options=REFERENCES),
            Field("ref_id"),
        ),
        shape=_referring,
    )
    return (
        ListPage("feedback_in", "/v1/feedback", WHOLE, acts, filters=FILTERS, fixed={"box": "in"}),
        ListPage("feedback_out", "/v1/feedback", WHOLE, (close,), (give,), FILTERS, fixed={"box": "out"}),
    )
