"""Companies drawn by chance, told to kpi and asked over HTTP: a slow calculation of every figure says the same."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from itertools import cycle, pairwise, product
from operator import gt, lt
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.kpi.app import SERVICE
from services.kpi.commands.remembering import PAST, go_back, remember
from services.kpi.metrics.catalogue import CATALOGUE
from services.kpi.metrics.figures import COHORT, FLOW
from services.kpi.models import CACHES
from shared.contracts.base import DIMENSIONS
from tests.support.companies import RATES, a_company
from tests.support.kpi import closes, decide, records, shuffled, take
from tests.support.rig import MakeRig, Rig
from tests.support.slow_book import SlowBook, Span
from tests.support.slow_customers import KINDS, TOKYO, SlowCustomers
from tests.support.slow_figures import COUNTED, FOLLOWED, OTHERS, RECURRING, SLA_MINUTES, Cell, Slow

TWICE = (("2025-04-01", "2025-06-01"), ("2025-05-01", "2025-07-01"), ("2025-05-01", "2025-08-01"))
"""Spans before which there was as long a one."""

UNITS = ("cycle", "lead", "account")
EVER = {"from": "2025-01-01", "to": "2025-09-01"}
SPAN = {"from": "2025-01-01", "to": "2025-08-01", "interval": "month"}
AS_OF, EARLIER = datetime(2025, 8, 20, tzinfo=TOKYO), datetime(2025, 5, 17, 13, tzinfo=TOKYO)
EARLY = datetime(2025, 3, 20, tzinfo=TOKYO)  # more was told since than before
ASKED: Sequence[tuple[Mapping[str, Slow], Mapping[str, str]]] = (
    (COUNTED, {}),
    (FOLLOWED, {"mode": COHORT}),
    (OTHERS, {}),
    (RECURRING, {}),
    (RECURRING, {"basis": "live"}),
)
FRESHNESS = ("fresh_to", "late")  # of when it was asked, not of what
DECISIONS = {"plan_rates": RATES, "response_sla_minutes": SLA_MINUTES}


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    rig = await make_rig(SERVICE)
    await decide(rig, DECISIONS)
    return rig


async def ask(rig: Rig, path: str, **more: str) -> dict[str, Any]:
    answer = await rig.client("viewer").get(path, params={**SPAN, "as_of": AS_OF.isoformat(), **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return {name: value for name, value in found.items() if name not in FRESHNESS}


def moment(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), datetime.min.time(), TOKYO)


def cells(answer: Mapping[str, Any]) -> Iterator[tuple[Span, str | None, dict[str, Any]]]:
    """The whole, its months, and the parts of each."""
    for each in (answer, *answer["periods"]):
        span = moment(each["from"]), moment(each["to"])
        yield span, None, dict(each)
        for part in each.get("groups", ()):
            yield span, part.get("group", part.get("value")), part


def same(wanted: Any, found: Any) -> bool:
    """Money to half a yen: the product rounds once."""
    if isinstance(wanted, dict):
        return all(same(value, found.get(name)) for name, value in wanted.items())
    found = found["amount"] if isinstance(found, dict) else found
    if wanted is None or found is None:
        return wanted is found
    return abs(float(wanted) - float(found)) <= (0.5 if isinstance(wanted, Fraction) else 1e-9)


async def agrees(rig: Rig, book: SlowBook, turn: int, **more: str) -> None:
    """Every metric; by which dimension and unit each is asked goes round with `turn`."""
    differing = []
    for table, asked in ASKED:
        customers = SlowCustomers(book, asked.get("basis", "booked"))
        for number, (name, slow) in enumerate(table.items(), turn):
            by, unit = DIMENSIONS[number % len(DIMENSIONS)], UNITS[number % len(UNITS)]
            unit = unit if table in (COUNTED, FOLLOWED) else "cycle"
            answer = await ask(rig, f"/v1/metrics/{name}", by=by, unit=unit, **asked, **more)
            for span, group, figure in cells(answer):
                wanted = slow(Cell(book, customers, span, by, group, unit))
                if not same(wanted, figure):
                    shown = {name: figure.get(name) for name in wanted}
                    differing.append(f"{name} {asked} by {by} {unit} {span[0]:%m-%d} {group}: {wanted} is {shown}")
    assert not differing, "\n".join(differing)


@pytest.mark.parametrize("seed", range(1, 4))
async def test_a_slow_calculation_says_the_same(kpi: Rig, seed: int) -> None:
    told = a_company(seed)
    await take(kpi, records(kpi, told))
    await agrees(kpi, SlowBook(told, AS_OF), seed)


async def test_it_says_the_same_of_an_earlier_moment_and_of_what_was_known_then(kpi: Rig) -> None:
    told = a_company(5)
    await take(kpi, records(kpi, told))
    await agrees(kpi, SlowBook(told, EARLIER), 5, as_of=EARLIER.isoformat())
    for turn, (moment, half) in enumerate({EARLIER: gt, EARLY: lt}.items(), 6):
        assert half(2 * sum(one.recorded <= moment for one in told), len(told))
        await agrees(kpi, SlowBook(told, AS_OF, known_at=moment), turn, known_at=moment.isoformat())


KNOWN = ("lead_new", "mql", "sql_rate", "win_closed", "win_cohort", "pipeline", "occupancy", "nrr", "recycle_rate")


def questions(by: str, ids: Iterable[str]) -> list[tuple[str, dict[str, str]]]:
    """Of each metric in each of its modes, of the funnel and of recurring revenue."""
    found = [(f"/v1/metrics/{name}", {"mode": mode}) for name in ids for mode in CATALOGUE[name].modes]
    found += [("/v1/funnel", {"mode": mode}) for mode in ("flow", "cohort", "closed")] + [("/v1/mrr", {})]
    return [(path, {**more, "by": by}) for path, more in found]


def rounded(found: Any) -> Any:
    """Sums of floats differ in their last digit by the order they were added in."""
    if isinstance(found, dict):
        return {name: rounded(value) for name, value in found.items()}
    if isinstance(found, list):
        return [rounded(value) for value in found]
    return float(f"{found:.12g}") if isinstance(found, float) else found


async def test_any_order_and_any_repetition_gives_the_same_answers(kpi: Rig, make_rig: MakeRig) -> None:
    told, other = a_company(6), await make_rig(SERVICE)
    await take(kpi, records(kpi, told))
    await decide(other, DECISIONS)
    await take(other, shuffled(other, told, seed=6, again=100), batch=97)
    for path, more in questions("segment", CATALOGUE):
        assert rounded(await ask(other, path, **more)) == rounded(await ask(kpi, path, **more)), path


@pytest.mark.parametrize("moment", [EARLIER, EARLY], ids=["rather late", "early"])
async def test_what_was_known_at_a_time_never_changes(kpi: Rig, moment: datetime) -> None:
    told, then = a_company(7), {"known_at": moment.isoformat()}
    later = sorted((one for one in told if one.recorded > moment), key=lambda one: one.recorded)
    assert any(one.at < moment for one in later), "something is told late"
    await take(kpi, records(kpi, [one for one in told if one.recorded <= moment]))
    asked = questions("channel", KNOWN)
    before = [rounded(await ask(kpi, path, **more, **then)) for path, more in asked]
    await take(kpi, records(kpi, later))
    assert [rounded(await ask(kpi, path, **more, **then)) for path, more in asked] == before
    now = [rounded(await ask(kpi, path, **more)) for path, more in asked]
    assert all(one["periods"] != other["periods"] for one, other in zip(now, before, strict=True)), (
        "told late, it counts"
    )
    never = {"known_at": "2001-01-01T00:00:00Z"}
    assert (await ask(kpi, "/v1/metrics/lead_cycles", **never))["value"] == 0, "of a time before anything was recorded"


async def remembered(rig: Rig, *moments: datetime) -> dict[str, list[str]]:
    """All caches as known at the last of these moments, reached by way of the ones before."""
    found = {}

    async def walk(session: AsyncSession) -> None:
        assert await remember(session, moments[0], TOKYO) == PAST
        for after, moment in pairwise(moments):
            await go_back(session, moment, after, TOKYO)
        for table in CACHES:
            rows = await session.scalars(text(f"SELECT to_jsonb(t)::text FROM {PAST}.{table.name} AS t"))
            found[table.name] = sorted(rows)

    async with rig.database.reading(first=walk):
        return found


async def test_whoever_goes_back_step_by_step_comes_to_what_was_known_then(kpi: Rig) -> None:
    told = a_company(9)
    await take(kpi, records(kpi, told))
    earliest, early, rather_late, late = (
        sorted(one.recorded for one in told)[number * len(told) // 100] for number in (15, 40, 70, 90)
    )
    first = await remembered(kpi, earliest)
    assert sum(map(len, first.values())) > 50
    assert first == await remembered(kpi, early, earliest)
    assert first == await remembered(kpi, late, rather_late, early, earliest)


async def test_parts_add_up_by_every_dimension_and_month(kpi: Rig) -> None:
    await take(kpi, records(kpi, a_company(8)))
    additive = [metric for metric in CATALOGUE.values() if metric.additive]
    turns = zip(CATALOGUE.values(), cycle(DIMENSIONS), strict=False)
    for metric, by in {*product(additive, DIMENSIONS), *turns}:
        answer = await ask(kpi, f"/v1/metrics/{metric.id}", by=by)
        for whole in (answer, *answer["periods"]):
            for side in sides(metric.additive and metric.unit != "ratio", whole):
                parts = [amount(part[side]) for part in whole["groups"]]
                assert abs(sum(parts) - amount(whole[side])) <= len(parts), f"{metric.id} by {by}: {side}"
        if metric.additive:
            months = [amount(month["value"]) for month in answer["periods"]]
            assert abs(sum(months) - amount(answer["value"])) <= len(months), metric.id


def sides(additive: bool, figure: Mapping[str, Any]) -> list[str]:
    """What of it adds up: whole numbers above and below, and a value that is a sum itself."""
    counted = [side for side in ("numerator", "denominator") if isinstance(figure[side], int)]
    return [*counted, "value"] if additive else counted


def amount(found: Any) -> int:
    return int(found["amount"] if isinstance(found, dict) else found or 0)


async def test_a_filter_is_the_part_of_its_value(kpi: Rig) -> None:
    await take(kpi, records(kpi, a_company(9)))
    for number, metric in enumerate(CATALOGUE.values()):
        by = DIMENSIONS[number % len(DIMENSIONS)]
        for part in (await ask(kpi, f"/v1/metrics/{metric.id}", by=by))["groups"]:
            alone = await ask(kpi, f"/v1/metrics/{metric.id}", **{by: part["group"]})
            assert told_by(alone) == told_by(part), f"{metric.id} {by}={part['group']}"


def told_by(figure: Mapping[str, Any]) -> list[Any]:
    return [rounded(figure["value"]), figure["reason"], amount(figure["numerator"]), amount(figure["denominator"])]


async def test_the_ways_of_counting_agree_where_everybody_has_come_to_an_end(kpi: Rig) -> None:
    """Over all of the history, without deals no lead stands behind: who goes on in a cohort has gone on; and the
    cohorts of the months are the cohort of all."""
    await take(kpi, records(kpi, a_company(10, own_deals=0)))
    for name in (name for name in FOLLOWED if FLOW in CATALOGUE[name].modes):
        flow, cohort = [await ask(kpi, f"/v1/metrics/{name}", mode=mode, **EVER) for mode in (FLOW, COHORT)]
        assert (flow["numerator"], flow["denominator"]) == (cohort["numerator"], cohort["denominator"]), name
        assert sum(month["numerator"] for month in cohort["periods"]) == cohort["numerator"]
    closed, won = await ask(kpi, "/v1/metrics/win_closed", **EVER), await ask(kpi, "/v1/metrics/won", **EVER)
    followed = await ask(kpi, "/v1/metrics/win_cohort", window="3650", **EVER)
    assert closed["numerator"] == won["value"] == followed["numerator"]
    assert sum(month["denominator"] for month in closed["periods"]) == closed["denominator"]
    assert closed["denominator"] + followed["more"]["open"] == followed["denominator"]


async def test_the_walk_of_mrr_reconciles_to_the_yen_at_an_odd_rate(kpi: Rig) -> None:
    told = a_company(11)
    await take(kpi, records(kpi, told))
    await decide(kpi, {"plan_rates": {"USD": 149.37}})
    for basis, by in product(("booked", "live"), ("segment", "channel")):
        customers = SlowCustomers(SlowBook(told, AS_OF, rate=Fraction("149.37")), basis)
        answer = await ask(kpi, "/v1/mrr", basis=basis, by=by)
        for each in (answer, *answer["groups"], *answer["periods"]):
            start, end, moved = each["start"], each["end"], each["movements"]
            up = sum(moved[name]["amount"] for name in ("new", "expansion", "reactivation"))
            assert start["amount"] + up - moved["contraction"]["amount"] - moved["churn"]["amount"] == end["amount"]
        for before, after in pairwise(answer["periods"]):
            assert before["end"] == after["start"]
        for span, group, figure in cells(answer):
            courses = Cell(customers.book, customers, span, by, group).courses()
            for name in KINDS:
                wanted = abs(sum((course.moved[name] for course in courses), Fraction(0)))
                assert abs(wanted - figure["movements"][name]["amount"]) < 1, f"{basis} {span} {group} {name}"


async def test_the_chain_closes_and_a_gap_is_the_sum_of_its_parts(kpi: Rig) -> None:
    await take(kpi, records(kpi, a_company(12)))
    for chain, unit, by in product(("mql", "lead"), UNITS, ("channel", "segment", "owner", "product")):
        found = await ask(kpi, "/v1/funnel", chain=chain, unit=unit, by=by)
        for part in [found, *found["periods"], *found["groups"], *(g for p in found["periods"] for g in p["groups"])]:
            closes(part["stages"])
    told = 0
    for (begin, end), channel in product(TWICE, (None, "ads")):
        asked = {"from": begin, "to": end} | ({"channel": channel} if channel else {})
        gap, won = await ask(kpi, "/v1/bottleneck", **asked), await ask(kpi, "/v1/metrics/won", **asked)
        assert gap["gap"] == pytest.approx(gap["actual_won"] - gap["planned_won"], abs=1e-9)
        if gap["blocked"] is None:
            told += 1
            assert gap["actual_won"] == pytest.approx(won["value"], abs=1e-9)
            assert sum(each["contribution"] for each in gap["factors"]) == pytest.approx(gap["gap"], abs=1e-9)
    assert told > len(TWICE)
