"""The metrics that count entries, and those that divide such counts."""

from dataclasses import replace
from typing import NamedTuple

from services.kpi.metrics.entries import NONE, Entries, counted, entered, entries
from services.kpi.metrics.figures import CLOSED, COHORT, FLOW, Compute, Figures, Metric, count, nothing, ratio, zero
from services.kpi.metrics.question import View, cell_of
from services.kpi.metrics.records import Records, Source, entries_of, shown
from services.kpi.metrics.subjects import followed, following, outcomes

_WHICH = {"value": "", "chained": " AND NOT outside", "outside": " AND outside"}


class Part(NamedTuple):
    """Entries of a milestone: all (`value`), those that came through the chain (`chained`), or the others."""

    milestone: str
    which: str = "value"

    def of(self, found: Entries) -> int:
        return int(getattr(found, self.which))

    @property
    def condition(self) -> str:
        """Of a row of `entered`, as SQL."""
        return f"(milestone = '{self.milestone}'{_WHICH[self.which]})"


LEADS, NEW, RECYCLED = Part("lead"), Part("lead", "chained"), Part("lead", "outside")
CONTACTED = Part("contacted")
MQL, ACCEPTED, REJECTED = Part("mql"), Part("mql_accepted"), Part("mql_rejected")
SQL, RETURNED, FROM_SQL, OPPORTUNITY = (
    *(Part("sql"), Part("sql_returned"), Part("opportunity", "chained")),
    Part("opportunity"),
)
WON, LOST, CUSTOMER, ONBOARDED = Part("won"), Part("lost"), Part("customer"), Part("onboarded")
FLOWED, IN_FLOW, ENDED = (FLOW, COHORT), (FLOW,), (CLOSED,)

_COUNTS = (
    ("lead_new", "リード獲得数", "New leads", NEW, "first cycles of people who became leads"),
    ("lead_rec", "リサイクル数", "Recycled leads", RECYCLED, "cycles after a person's first"),
    ("lead_cycles", "リード(周回)", "Lead cycles", LEADS, "lead_new + lead_rec"),
    ("mql", "MQL", "MQL", MQL, "cycles handed to inside sales"),
    ("mql_accepted", "MQL受け入れ数", "MQLs accepted", ACCEPTED, "taken by inside sales"),
    ("mql_rejected", "MQL差し戻し数", "MQLs rejected", REJECTED, "sent back, and not taken later"),
    ("sql", "SQL(引き渡し済み)", "SQLs handed over", SQL, "handed over to field sales"),
    ("sql_returned", "SQL差し戻し数", "SQLs returned", RETURNED, "sent back by field sales, and not taken later"),
    ("opportunity", "有効商談数", "Opportunities opened", OPPORTUNITY, "taken or found by field sales"),
    ("won", "受注数", "Deals won", WON, "won and not reopened"),
    ("lost", "失注数", "Deals lost", LOST, "lost and not reopened"),
    ("customer", "引き継ぎ済み顧客数", "Customers taken over", CUSTOMER, "accepted by customer success"),
    ("onboarded", "オンボーディング完了数", "Customers onboarded", ONBOARDED, "onboarding completed"),
)
_DECISIONS = (
    ("mql_acc", "MQL受け入れ率", "MQL acceptance", "accepted ÷ decided", MQL, ACCEPTED, (ACCEPTED, REJECTED)),
    ("sql_acc", "有効商談率", "SQL acceptance", "taken ÷ (taken + returned)", SQL, FROM_SQL, (FROM_SQL, RETURNED)),
)
_SPOKEN = "of the MQLs contacted for the first time in the span, those handed over as SQLs"
_RATES = (
    ("l2m", "MQL化率", "Lead to MQL", FLOWED, "mql ÷ lead_cycles", MQL, (LEADS,)),
    ("sql_rate", "商談化率(SQL引き渡し÷MQL)", "MQL to SQL", FLOWED, "sql ÷ mql", SQL, (MQL,)),
    ("sql_per_lead", "商談化率(SQL引き渡し÷リード)", "Lead to SQL", FLOWED, "sql ÷ lead_cycles", SQL, (LEADS,)),
    ("sql_per_contact", "商談化率(SQL引き渡し÷初回対応)", "Contact to SQL", (COHORT,), _SPOKEN, SQL, (CONTACTED,)),
    ("eff_sql", "有効商談化率(有効商談÷MQL)", "MQL to opportunity", FLOWED, "from SQLs ÷ mql", FROM_SQL, (MQL,)),
    ("opp_to_won", "有効商談→受注率", "Opportunity to won", FLOWED, "won ÷ opportunity", WON, (OPPORTUNITY,)),
    ("lead_to_won", "リード→受注率", "Lead to won", FLOWED, "won ÷ lead_cycles", WON, (LEADS,)),
)


def _count(part: Part) -> Compute:
    async def compute(view: View) -> Figures:
        found = await entries(view, [part.milestone])
        return {cell: count(part.of(counts.get(part.milestone, NONE))) for cell, counts in found.items()}

    return compute


def quotient(over: Part, under: tuple[Part, ...]) -> Compute:
    """Entries of one kind by entries of some, all in the span; or, asked for a cohort, who of those went on."""

    async def compute(view: View) -> Figures:
        if view.question.mode == COHORT:
            found = await followed(view, under[0].milestone, over.milestone)
            return {cell: ratio(counted.successes, counted.trials) for cell, counted in found.items()}
        counts = await entries(view, [part.milestone for part in (over, *under)])
        return {
            cell: ratio(
                over.of(found.get(over.milestone, NONE)),
                sum(part.of(found.get(part.milestone, NONE)) for part in under),
            )
            for cell, found in counts.items()
        }

    return compute


def _decision(base: Part, over: Part, under: tuple[Part, ...]) -> Compute:
    """Of what was decided; beside it how many of those that came into the base in the span wait for a decision."""

    async def compute(view: View) -> Figures:
        found = dict(await quotient(over, under)(view))
        query, bound = outcomes(view, base.milestone, [part.milestone for part in under], ["dropped"])
        waits = "goal_at IS NULL AND end_at IS NULL"
        query = f"SELECT {view.shown}, {counted(view, waits)} AS ways FROM ({query}) AS o {view.cells()}"
        waiting = {cell_of(row): row.ways for row in await view.rows(query, bound)}
        return {
            cell: found.get(cell, ratio(0, 0)).model_copy(update={"more": {"undecided": waiting.get(cell, 0)}})
            for cell in {*found, *waiting}
        }

    return compute


def _counted(part: Part) -> Records:
    def source(view: View) -> Source:
        found = entries_of(view, [part.milestone], numerator=part.condition)
        return replace(found, query=f"SELECT * FROM ({found.query}) AS s WHERE numerator")

    return source


def divided(over: Part, under: tuple[Part, ...]) -> Records:
    """Whom a quotient counts above and below; asked for a cohort, the cohort with who of it went on."""

    def source(view: View) -> Source:
        if view.question.mode == COHORT:
            base = under[0].milestone
            query, bound = following(view, base, over.milestone)
            return Source(f"SELECT {shown(numerator='reached', denominator='true')} FROM ({query}) AS e", bound)
        above, below = over.condition, " OR ".join(part.condition for part in under)
        names = sorted({part.milestone for part in (over, *under)})
        found = entries_of(view, names, numerator=above, denominator=f"({below})")
        return replace(found, query=f"SELECT * FROM ({found.query}) AS s WHERE numerator OR denominator")

    return source


async def _win_rate(view: View) -> Figures:
    """Beside it what comes out when every closing is counted that was ever told, those taken back too: not for use,
    but what a count of events says, and why it differs."""
    found, told = dict(await quotient(WON, (WON, LOST))(view)), await _closings(view)
    for cell, closings in told.items():
        more = {"by_events": closings.model_dump(mode="json", exclude={"more"})}
        found[cell] = found.get(cell, ratio(0, 0)).model_copy(update={"more": more})
    return found


async def _closings(view: View) -> Figures:
    query = f"""
        SELECT {view.shown}, count(*) FILTER (WHERE milestone = 'won') AS won, count(*) AS closed
        FROM ({entered(view, holding="p.at <= :as_of")}) AS e {view.cells()}
    """
    rows = await view.rows(query, {"milestones": ["won", "lost"], "starts": view.starts})
    return {cell_of(row): ratio(row.won, row.closed) for row in rows}


_WIN = "won ÷ (won + lost), closed in the span and not reopened"
METRICS = (
    Metric(
        "win_closed",
        "受注率(決着分)",
        "Win rate",
        "ratio",
        _WIN,
        _win_rate,
        nothing,
        ENDED,
        records=divided(WON, (WON, LOST)),
    ),
    *(
        Metric(id_, ja, en, "count", formula, _count(part), zero, additive=True, records=_counted(part))
        for id_, ja, en, part, formula in _COUNTS
    ),
    *(
        Metric(
            *(id_, ja, en, "ratio", formula, _decision(base, over, under), nothing, IN_FLOW),
            records=divided(over, under),
        )
        for id_, ja, en, formula, base, over, under in _DECISIONS
    ),
    *(
        Metric(id_, ja, en, "ratio", formula, quotient(over, under), nothing, modes, records=divided(over, under))
        for id_, ja, en, modes, formula, over, under in _RATES
    ),
)
