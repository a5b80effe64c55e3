"""The metrics by their ids, and the answer of one of them."""

from collections.abc import Mapping
from dataclasses import replace

from services.kpi.metrics import deals, recurring
from services.kpi.metrics.acquisition import visitor_to_lead, visitors
from services.kpi.metrics.entries import NONE, Entries, entries
from services.kpi.metrics.figures import (
    CLOSED,
    COHORT,
    FLOW,
    STOCK,
    Compute,
    Figures,
    Metric,
    count,
    no_money,
    no_value,
    nothing,
    ratio,
    zero,
)
from services.kpi.metrics.funnel import basis
from services.kpi.metrics.occupancy import occupancy
from services.kpi.metrics.question import ALL, Cell, View
from services.kpi.metrics.rates import followed
from services.kpi.schemas.figures import Figure, FigureGroup, FigurePeriod, MetricOut, Window

Part = tuple[str, str]
"""A milestone and which of its entries: all (`value`), those from the chain (`chained`), or the others (`outside`)."""


def _number(figures: Entries, which: str) -> int:
    return figures.value - figures.chained if which == "outside" else int(getattr(figures, which))


def _count(milestone: str, which: str = "value") -> Compute:
    async def compute(view: View) -> Figures:
        found = await entries(view, [milestone])
        return {cell: count(_number(counts.get(milestone, NONE), which)) for cell, counts in found.items()}

    return compute


def _quotient(over: Part, *under: Part) -> Compute:
    """Entries of one kind by entries of some, all in the span; or, asked for a cohort, who of those went on."""

    async def compute(view: View) -> Figures:
        if view.question.mode == COHORT:
            found = await followed(view, under[0][0], over[0])
            return {cell: ratio(counted.successes, counted.trials) for cell, counted in found.items()}
        counts = await entries(view, [over[0], *(milestone for milestone, _ in under)])
        return {
            cell: ratio(
                _number(found.get(over[0], NONE), over[1]),
                sum(_number(found.get(milestone, NONE), which) for milestone, which in under),
            )
            for cell, found in counts.items()
        }

    return compute


FLOWED, ENDED, HELD = (FLOW, COHORT), (CLOSED,), (STOCK,)
WON_OR_LOST: tuple[Part, ...] = (("won", "value"), ("lost", "value"))
DECIDED: tuple[Part, ...] = (("mql_accepted", "value"), ("mql_rejected", "value"))
ANSWERED: tuple[Part, ...] = (("opportunity", "chained"), ("sql_returned", "value"))


def _counts() -> list[Metric]:
    told = [
        ("lead_new", "リード獲得数", "New leads", ("lead", "chained"), "first cycles of people who became leads"),
        ("lead_rec", "リサイクル数", "Recycled leads", ("lead", "outside"), "cycles after a person's first"),
        ("lead_cycles", "リード(周回)", "Lead cycles", ("lead", "value"), "lead_new + lead_rec"),
        ("mql", "MQL", "MQL", ("mql", "value"), "cycles handed to inside sales"),
        ("mql_accepted", "MQL受け入れ数", "MQLs accepted", ("mql_accepted", "value"), "taken by inside sales"),
        ("mql_rejected", "MQL差し戻し数", "MQLs rejected", ("mql_rejected", "value"), "sent back, and not taken later"),
        ("sql", "SQL(引き渡し済み)", "SQLs handed over", ("sql", "value"), "handed over to field sales"),
        ("sql_returned", "SQL差し戻し数", "SQLs returned", ("sql_returned", "value"), "sent back by field sales"),
        (
            "opportunity",
            "有効商談数",
            "Opportunities opened",
            ("opportunity", "value"),
            "taken or found by field sales",
        ),
        ("won", "受注数", "Deals won", ("won", "value"), "won and not reopened"),
        ("lost", "失注数", "Deals lost", ("lost", "value"), "lost and not reopened"),
        (
            "customer",
            "引き継ぎ済み顧客数",
            "Customers taken over",
            ("customer", "value"),
            "accepted by customer success",
        ),
        ("onboarded", "オンボーディング完了数", "Customers onboarded", ("onboarded", "value"), "onboarding completed"),
    ]
    return [Metric(id_, ja, en, "count", formula, _count(*part), zero) for id_, ja, en, part, formula in told]


def _ratios() -> list[Metric]:
    told = [
        ("l2m", "MQL化率", "Lead to MQL", FLOWED, "mql ÷ lead_cycles", [("mql", "value"), ("lead", "value")]),
        (
            *("mql_acc", "MQL受け入れ率", "MQL acceptance", (FLOW,), "mql_accepted ÷ (mql_accepted + mql_rejected)"),
            [("mql_accepted", "value"), *DECIDED],
        ),
        (
            "sql_rate",
            "商談化率(SQL引き渡し÷MQL)",
            "MQL to SQL",
            FLOWED,
            "sql ÷ mql",
            [("sql", "value"), ("mql", "value")],
        ),
        (
            *("sql_acc", "有効商談率(有効商談÷判断済みSQL)", "SQL acceptance", (FLOW,)),
            *("opportunities from SQLs ÷ (those + sql_returned)", [("opportunity", "chained"), *ANSWERED]),
        ),
        (
            *("eff_sql", "有効商談化率(有効商談÷MQL)", "MQL to opportunity", FLOWED),
            *("opportunities from SQLs ÷ mql", [("opportunity", "chained"), ("mql", "value")]),
        ),
        (
            *("opp_to_won", "有効商談→受注率", "Opportunity to won", FLOWED),
            *("won ÷ opportunity", [("won", "value"), ("opportunity", "value")]),
        ),
        ("win_closed", "受注率(決着分)", "Win rate", ENDED, "won ÷ (won + lost)", [("won", "value"), *WON_OR_LOST]),
        (
            "lead_to_won",
            "リード→受注率",
            "Lead to won",
            FLOWED,
            "won ÷ lead_cycles",
            [("won", "value"), ("lead", "value")],
        ),
    ]
    return [
        Metric(id_, ja, en, "ratio", formula, _quotient(*parts), nothing, modes)
        for id_, ja, en, modes, formula, parts in told
    ]


STOCK = "at the end of the span, or at as_of where that is earlier"


def _found() -> list[Metric]:
    return [
        Metric("visitors", "来訪者数", "Visitors", "count", "sum of the days' visitors", visitors, zero),
        Metric(
            "v2l", "来訪者→リード獲得率", "Visitor to lead", "ratio", "web leads ÷ visitors", visitor_to_lead, nothing
        ),
    ]


def _deals() -> list[Metric]:
    days = "from opened to closed, the clock of a reopened deal runs on; value is the median"
    money = "of deals won in the span, by MRR where one was told, else by the whole amount"
    return [
        Metric("open_deals", "進行中の商談", "Open deals", "count", STOCK, deals.open_deals, zero, HELD),
        Metric(
            "pipeline",
            "パイプライン",
            "Pipeline",
            "money",
            f"Σ value of open deals {STOCK}",
            deals.pipeline,
            no_money,
            HELD,
        ),
        Metric("won_value", "受注金額", "Value won", "money", f"Σ {money}", deals.won_value, no_money, additive=True),
        Metric(
            "won_average", "平均受注金額", "Average value won", "money", f"mean {money}", deals.won_average, no_value
        ),
        Metric(
            "won_median", "受注金額の中央値", "Median value won", "money", f"median {money}", deals.won_median, no_value
        ),
        Metric(
            "win_value",
            "受注率(金額)",
            "Win rate by value",
            "ratio",
            "value won ÷ value closed",
            deals.win_value,
            no_value,
            ENDED,
        ),
        Metric(
            "cycle_days", "商談期間(受注)", "Sales cycle, won", "days", days, deals.cycle_days("won"), no_value, ENDED
        ),
        Metric(
            "cycle_days_lost",
            "商談期間(失注)",
            "Sales cycle, lost",
            "days",
            days,
            deals.cycle_days("lost"),
            no_value,
            ENDED,
        ),
        Metric(
            "cycle_days_all",
            "商談期間(決着)",
            "Sales cycle",
            "days",
            days,
            deals.cycle_days("won", "lost"),
            no_value,
            ENDED,
        ),
    ]


def _recurring() -> list[Metric]:
    return [
        Metric(
            "occupancy",
            "滞留(どこにいるか)",
            "Occupancy",
            "count",
            f"lead cycles by place {STOCK}",
            occupancy,
            zero,
            HELD,
        ),
        Metric(
            "mrr_mv",
            "MRRの増減",
            "MRR movements",
            "money",
            "end - start",
            recurring.mrr_movements,
            no_money,
            additive=True,
        ),
        Metric("arr", "ARR", "ARR", "money", f"12 × MRR {STOCK}", recurring.arr, no_money, HELD),
        Metric(
            "nrr",
            "NRR(売上継続率)",
            "NRR",
            "ratio",
            "MRR at the end of the customers of the start ÷ at the start",
            recurring.nrr,
            no_value,
        ),
        Metric(
            "grr",
            "GRR(総売上継続率)",
            "GRR",
            "ratio",
            "Σ min(end, start) by customer ÷ MRR at the start",
            recurring.grr,
            no_value,
        ),
        Metric(
            "customers",
            "契約中の顧客数",
            "Customers",
            "count",
            f"accounts paying {STOCK}",
            recurring.customers,
            zero,
            HELD,
        ),
    ]


_ALL = [*_counts(), *_ratios(), *_found(), *_deals(), *_recurring()]
CATALOGUE: Mapping[str, Metric] = {
    metric.id: replace(metric, additive=metric.additive or (metric.unit == "count" and FLOW in metric.modes))
    for metric in _ALL
}


async def answer(metric: Metric, view: View) -> MetricOut:
    """The metric as a whole, by period and by value of the asked dimension."""
    asked = view.question
    found = await metric.compute(view)
    empty = metric.empty(view)
    values = sorted({cell.value for cell in found if cell.value is not None})

    def groups(period: int | None) -> list[FigureGroup]:
        if asked.by is None:
            return []
        return [
            FigureGroup(by=asked.by, group=value, **_fields(found.get(Cell(period, value), empty))) for value in values
        ]

    return MetricOut(
        metric=metric.id,
        **basis(view),
        **_fields(found.get(ALL, empty)),
        window=Window(begin=asked.whole.start, stop=asked.whole.end, timezone=asked.zone.key, days=asked.window_days),
        currency=asked.currency,
        is_partial=not view.has_ended(asked.whole),
        groups=groups(None),
        periods=[
            FigurePeriod(
                begin=period.start,
                stop=period.end,
                is_partial=view.is_partial(period),
                groups=groups(place),
                **_fields(found.get(Cell(place), empty)),
            )
            for place, period in enumerate(view.periods)
        ],
    )


def _fields(figure: Figure) -> dict[str, object]:
    return {name: getattr(figure, name) for name in Figure.model_fields}
