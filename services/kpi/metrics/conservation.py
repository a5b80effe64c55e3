"""Conservation (metrics.md G11): nothing that was told of a lead, an SQL or a deal stands without what must come first.

Each check counts how many there are and which of them are broken; a broken one is a lost event, or a fault of a fold.
Loaded histories begin where their files begin, so what they name is not held against them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from services.kpi.metrics.question import View
from shared.contracts import EVENTS

EXAMPLES = 10
_OWN = "f.source NOT LIKE '/load/%'"


@dataclass(frozen=True, slots=True)
class Check:
    """`query` gives a row `name, good` for each thing the check is about."""

    id: str
    ja: str
    en: str
    query: str


class Kept(NamedTuple):
    """How many things a check looked at, how many of them are broken, and some of those."""

    looked_at: int
    broken: int
    examples: list[str]


def _named(key: str, named: str, first: str) -> str:
    """Everything that events `named` are about, and whether an event `first` of it was told, as SQL."""
    return f"""
        SELECT n.key AS name, o.key IS NOT NULL AS good
        FROM (SELECT DISTINCT {key} AS key FROM {{schema}}.fact f WHERE {named} AND {_OWN} AND {key} IS NOT NULL) AS n
        LEFT JOIN (SELECT DISTINCT {key} AS key FROM {{schema}}.fact f WHERE {first}) AS o USING (key)
    """


def _types(department: str, *names: str) -> str:
    """The condition that an event is one of these; all of the department's without names."""
    found = [kind for kind in EVENTS if kind.startswith(f"{department}.")]
    wanted = [kind for kind in found if not names or kind.split(".")[1] in names]
    return "f.type IN ({})".format(", ".join(f"'{kind}'" for kind in sorted(wanted)))


_CYCLE = "f.lead_id::text || '/' || f.cycle"
_DEAL = "f.opportunity_id::text"
CHECKS = (
    Check(
        "places",
        "どの周回も、いまいる場所はちょうど一つ",
        "every cycle stands in exactly one place",
        """
        SELECT coalesce(c.key, s.key) AS name, s.places IS NOT DISTINCT FROM 1 AND c.key IS NOT NULL AS good
        FROM (SELECT DISTINCT lead_id::text || '/' || cycle AS key FROM {schema}.passage
              WHERE milestone <> 'won' AND cycle IS NOT NULL AND lead_id IS NOT NULL) AS c
        FULL JOIN (SELECT lead_id::text || '/' || cycle AS key, count(*) AS places FROM {schema}.place
                   WHERE until IS NULL GROUP BY 1) AS s USING (key)
        """,
    ),
    Check(
        "cycles",
        "インサイドセールスが扱う周回は、マーケティングが始めたもの",
        "every cycle inside sales speaks of was opened by marketing",
        _named(_CYCLE, _types("inside_sales"), _types("marketing", "lead_created", "lead_recycled")),
    ),
    Check(
        "sqls",
        "差し戻されたSQLは、引き渡されたもの",
        "every SQL sent back was handed over",
        _named(
            _DEAL,
            _types("field_sales", "sql_returned"),
            f"({_types('inside_sales', 'sql_accepted')} OR {_types('field_sales', 'sql_received')})",
        ),
    ),
    Check(
        "deals",
        "決着した商談は、開始されたもの",
        "every deal won, lost or reopened was opened",
        _named(
            _DEAL,
            _types("field_sales", "deal_won", "deal_lost", "deal_reopened"),
            _types("field_sales", "opportunity_opened"),
        ),
    ),
)


async def conservation(view: View) -> Mapping[Check, Kept]:
    """What each check finds, over everything known now."""
    found = {}
    for check in CHECKS:
        query = f"""
            SELECT count(*) AS looked_at, count(*) FILTER (WHERE NOT good) AS broken,
                   (array_agg(name ORDER BY name) FILTER (WHERE NOT good))[1:{EXAMPLES}] AS examples
            FROM ({check.query}) AS x
        """
        (row,) = await view.rows(query)
        found[check] = Kept(row.looked_at, row.broken, list(row.examples or ()))
    return found
