"""Writes `dashboards/themodel-funnel-{ja,en}.json`. The files are committed; a test compares them with this."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BarGaugeDisplayMode, VizOrientation
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    GridPos,
    Threshold,
    ThresholdsMode,
)

from deploy.grafana.words import WORDS

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
STAGES = ("marketing", "inside_sales", "field_sales", "customer_success")
SERVICES = (*STAGES, "kpi")
MOVEMENTS = ("new", "expansion", "contraction", "churn", "reactivation")
Query = tuple[str, str]  # PromQL and its legend


def of_stage(metric: str, words: dict[str, str]) -> list[Query]:
    """kpi may run in several processes that read the same tables: the largest is the number."""
    return [(f'max without (instance, job) ({metric}{{stage="{s}"}})', words[s]) for s in STAGES]


def per_service(query: Callable[[str], str], words: dict[str, str]) -> list[Query]:
    return [(query(service), words[service]) for service in SERVICES]


class Board:
    """One dashboard in one language, filled from left to right."""

    def __init__(self, language: str) -> None:
        self.words = WORDS[language]
        other = "en" if language == "ja" else "ja"
        link = dashboard.DashboardLink(self.words["other"]).type(DashboardLinkType.LINK)
        self._board = (
            dashboard.Dashboard(self.words["title"])
            .uid(f"themodel-funnel-{language}")
            .description(self.words["about"])
            .tags(["themodel", language])
            .timezone("Asia/Tokyo")
            .refresh("10s")
            .time("now-6h", "now")
            .fiscal_year_start_month(3)
            .with_variable(dashboard.DatasourceVariable("source").label("Prometheus").type("prometheus"))
            .link(link.url(f"/d/themodel-funnel-{other}").keep_time(True))
        )
        self._x = self._y = self._tall = 0

    def add(self, panel: Any, title: str, unit: str, queries: Sequence[Query], size: tuple[int, int]) -> None:
        """`panel` with its place in the grid of 24 columns."""
        width, height = size
        if self._x + width > 24:
            self._x, self._y, self._tall = 0, self._y + self._tall, 0
        place = GridPos(x=self._x, y=self._y, w=width, h=height)
        self._x, self._tall = self._x + width, max(self._tall, height)
        panel = panel.title(title).description(title).unit(unit).datasource(SOURCE).grid_pos(place)
        for number, (expression, legend) in enumerate(queries):
            query = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(chr(65 + number))
            panel = panel.with_target(query.datasource(SOURCE))
        self._board = self._board.with_panel(panel)

    def json(self) -> str:
        return json.dumps(self._board.build(), cls=JSONEncoder, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _stat() -> Any:
    last = common.ReduceDataOptions().calcs(["lastNotNull"])
    return stat.Panel().reduce_options(last).orientation(VizOrientation.VERTICAL)


def _attainment() -> Any:
    steps = [
        Threshold(value=None, color="red"),
        Threshold(value=0.8, color="orange"),
        Threshold(value=1.0, color="green"),
    ]
    limits = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
    last = common.ReduceDataOptions().calcs(["lastNotNull"])
    bars = bargauge.Panel().display_mode(BarGaugeDisplayMode.BASIC).orientation(VizOrientation.HORIZONTAL)
    return bars.reduce_options(last).thresholds(limits).min(0).max(1.5)


def funnel(language: str) -> str:
    """The funnel and what carries it: four departments, money, hand-offs, messages, HTTP."""
    board = Board(language)
    _funnel(board)
    _money(board)
    _messages(board)
    _http(board)
    return board.json()


def _funnel(board: Board) -> None:
    words = board.words
    board.add(_stat(), words["base"], "short", of_stage("themodel_funnel_base", words), (12, 5))
    board.add(_stat(), words["rate"], "percentunit", of_stage("themodel_funnel_rate", words), (12, 5))
    board.add(_stat(), words["goal"], "short", of_stage("themodel_funnel_goal", words), (12, 6))
    goal, target = (of_stage(f"themodel_funnel_{name}", words) for name in ("goal", "target"))
    parts = [(f"{g} / {t}", name) for (g, name), (t, _) in zip(goal, target, strict=True)]
    board.add(_attainment(), words["attainment"], "percentunit", parts, (12, 6))
    entries = [
        (f'60 * sum(rate(themodel_funnel_entries_total{{stage="{s}"}}[$__rate_interval]))', words[s]) for s in STAGES
    ]
    board.add(timeseries.Panel(), words["entries"], "short", entries, (24, 7))


def _money(board: Board) -> None:
    words = board.words
    one = "max without (instance, job) ({})".format
    movements = [(one(f'themodel_mrr{{movement="{m}"}}'), words[m]) for m in MOVEMENTS]
    board.add(timeseries.Panel(), words["mrr"], "currencyJPY", movements, (12, 7))
    board.add(_stat(), words["nrr"], "percentunit", [(one("themodel_nrr_ratio"), words["nrr"])], (4, 7))
    board.add(_stat(), words["grr"], "percentunit", [(one("themodel_grr_ratio"), words["grr"])], (4, 7))
    pipeline = [(one("themodel_pipeline_amount"), words["pipeline"])]
    board.add(_stat(), words["pipeline"], "currencyJPY", pipeline, (4, 7))
    feedback = [("max without (instance, job) (themodel_feedback_open)", "{{from}} → {{to}}")]
    board.add(timeseries.Panel(), words["feedback"], "short", feedback, (12, 7))


def _messages(board: Board) -> None:
    words = board.words

    def waited(quantile: float) -> Query:
        rate = "sum by (le) (rate(themodel_handoff_latency_seconds_bucket[$__rate_interval]))"
        return f"histogram_quantile({quantile}, {rate})", f"p{round(quantile * 100)}"

    board.add(timeseries.Panel(), words["handoff"], "s", [waited(0.5), waited(0.99)], (12, 7))
    lag = per_service(lambda s: f'max(themodel_consumer_lag_events{{service="{s}"}})', words)
    board.add(timeseries.Panel(), words["lag"], "short", lag, (8, 7))
    unsent = per_service(lambda s: f'max(themodel_outbox_unsent_rows{{job="{s}"}})', words)
    board.add(timeseries.Panel(), words["outbox"], "short", unsent, (8, 7))
    age = per_service(lambda s: f'max(themodel_outbox_oldest_unsent_seconds{{job="{s}"}})', words)
    board.add(timeseries.Panel(), words["outbox_age"], "s", age, (8, 7))
    waiting = [("sum(themodel_parked_events)", words["parked"]), ("sum(themodel_dead_letters_total)", words["dead"])]
    board.add(timeseries.Panel(), words["waiting"], "short", waiting, (8, 7))


def _http(board: Board) -> None:
    words = board.words
    count = per_service(
        lambda s: f'sum(rate(themodel_http_request_seconds_count{{job="{s}"}}[$__rate_interval]))', words
    )
    board.add(timeseries.Panel(), words["http"], "reqps", count, (12, 7))
    slow = per_service(
        lambda s: (
            "histogram_quantile(0.95, sum by (le) "
            f'(rate(themodel_http_request_seconds_bucket{{job="{s}"}}[$__rate_interval])))'
        ),
        words,
    )
    board.add(timeseries.Panel(), words["http_p95"], "s", slow, (12, 7))


def files() -> dict[Path, str]:
    """Every generated file and what must stand in it."""
    return {FOLDER / f"themodel-funnel-{language}.json": funnel(language) for language in WORDS}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for file, text in files().items():
        file.write_text(text)


if __name__ == "__main__":
    main()
