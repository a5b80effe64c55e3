"""How good each method was at each horizon, over the periods that are over (metrics.md section 3).

Of too few periods nothing is said: four forecasts that came true say little, one says nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from services.kpi.metrics.accuracy import accuracy
from services.kpi.metrics.forecast import BY_AGE, BY_PHASE, CUMULATED, NAIVE
from services.kpi.metrics.judging import PARTS, ZERO, Came, Expected, Fate, Frozen, split
from services.kpi.metrics.rates import Counted

LEAST_PERIODS = 4
TOO_FEW = "too_few_periods"
LEANING = 0.10
NO_RANGES = Counted(0, 0)
WEIGHING = (BY_PHASE, *CUMULATED, BY_AGE)
"""Those that give each deal a chance: their error can be told apart."""
CHANCES = (BY_PHASE, BY_AGE)
"""Those whose chances are between none and certainty."""
Pair = tuple[Frozen, Came]


@dataclass(frozen=True)
class Verdict:
    """`error` in minor units is Σ forecast - actual and what the `parts` add up to. `naive_wape` is that of the same
    period a year before, over the `compared` periods that have one; `added` is how much lower the method's is there,
    `scaled` the method's as a part of it (MASE with the season as the naive forecast: Hyndman and Koehler 2006).
    """

    method: str
    periods: int
    reason: str | None = None
    wape: float | None = None
    bias: float | None = None
    mape: float | None = None
    excluded: int = 0
    covered: Counted = NO_RANGES
    compared: int = 0
    naive_wape: float | None = None
    added: float | None = None
    scaled: float | None = None
    error: Decimal | None = None
    parts: Mapping[str, Decimal] = field(default_factory=dict)
    brier: float | None = None
    skill: float | None = None


@dataclass(frozen=True)
class Reliability:
    """Of the deals that were due, in a category of people's own: how many were won, and how many M1 expected."""

    category: str | None
    won: Counted
    expected: float | None
    brier: float | None


def verdict(method: str, pairs: Iterable[Pair]) -> Verdict:
    """`pairs` are of one horizon; those in which the method could not say are left out."""
    told = [(frozen, came, frozen.methods[method]) for frozen, came in pairs if method in frozen.methods]
    told = [(frozen, came, said) for frozen, came, said in told if said.value is not None and not came.unpriced]
    if len(told) < LEAST_PERIODS:
        return Verdict(method, len(told), TOO_FEW)
    found = accuracy(*_sides([(said, came) for _, came, said in told]))
    ranges = [
        (said.low, came.actual, said.high) for _, came, said in told if said.low is not None and said.high is not None
    ]
    within = sum(low <= actual <= high for low, actual, high in ranges)
    compared = [(frozen, came, said) for frozen, came, said in told if _naive(frozen) is not None]
    naive = added = scaled = None
    if len(compared) >= LEAST_PERIODS:
        naive = accuracy(*_sides([(frozen.methods[NAIVE], came) for frozen, came, _ in compared])).wape
        own = accuracy(*_sides([(said, came) for _, came, said in compared])).wape
        added = None if naive is None or own is None else naive - own
        scaled = own / naive if naive and own is not None else None
    brier, skill = _brier(method, [(frozen, came) for frozen, came, _ in told])
    return Verdict(
        method,
        len(told),
        wape=found.wape,
        bias=found.bias,
        mape=found.mape,
        excluded=found.excluded,
        covered=Counted(within, len(ranges)),
        compared=len(compared),
        naive_wape=naive,
        added=added,
        scaled=scaled,
        error=sum(((said.value or ZERO) - came.actual for _, came, said in told), ZERO),
        parts=_parts(method, [(frozen, came) for frozen, came, _ in told]) if method in WEIGHING else {},
        brier=brier,
        skill=skill,
    )


@dataclass(frozen=True)
class Leaning:
    """How far what somebody calls lies from what they win: `bias` = Σ called ÷ Σ won - 1, `drawn` towards everyone's.
    `leans` says which way once it is more than a tenth. None of too few periods.
    """

    owner: str
    periods: int
    bias: float | None = None
    drawn: float | None = None
    leans: str | None = None


def leanings(called: Mapping[str, Sequence[tuple[float, float]]]) -> list[Leaning]:
    """`called` are by owner the pairs of call and win, of one horizon. Drawn: (n b + 4 B) / (n + 4)."""
    everyone = accuracy(*_apart([pair for pairs in called.values() for pair in pairs])).bias
    found = []
    for owner, pairs in sorted(called.items()):
        number, own = len(pairs), accuracy(*_apart(pairs)).bias
        if number < LEAST_PERIODS or own is None or everyone is None:
            found.append(Leaning(owner, number))
            continue
        drawn = (number * own + LEAST_PERIODS * everyone) / (number + LEAST_PERIODS)
        leans = "sandbagging" if drawn < -LEANING else "happy_ears" if drawn > LEANING else None
        found.append(Leaning(owner, number, own, drawn, leans))
    return found


def _apart(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [one for one, _ in pairs], [other for _, other in pairs]


def _sides(told: Sequence[tuple[Expected, Came]]) -> tuple[list[float], list[float]]:
    return [float(said.value or 0) for said, _ in told], [float(came.actual) for _, came in told]


def _naive(frozen: Frozen) -> Decimal | None:
    return frozen.methods[NAIVE].value if NAIVE in frozen.methods else None


def _parts(method: str, pairs: Iterable[Pair]) -> dict[str, Decimal]:
    found = dict.fromkeys(PARTS, ZERO)
    for frozen, came in pairs:
        key = frozen.key
        for part, value in split(
            method, frozen.methods[method].new, came.fates.get(key, ()), came.others.get(key, {})
        ).items():
            found[part] += value
    return found


def _judged(method: str, pairs: Iterable[Pair]) -> list[Fate]:
    """The deals a method gave a chance: M1 only to those that were due."""
    every = [fate for frozen, came in pairs for fate in came.fates.get(frozen.key, ()) if fate.method == method]
    return [fate for fate in every if fate.due or method != BY_PHASE]


def _brier(method: str, pairs: Iterable[Pair]) -> tuple[float | None, float | None]:
    """Mean squared difference of chance and what came; and how much better that is than saying the base rate."""
    fates = _judged(method, pairs) if method in CHANCES else []
    deals, won = sum(fate.deals for fate in fates), sum(fate.deals for fate in fates if fate.end == "won")
    if not deals:
        return None, None
    found, rate = float(sum(fate.squared for fate in fates)) / deals, won / deals
    known = rate * (1 - rate)
    return found, 1 - found / known if known else None


def reliability(pairs: Sequence[Pair]) -> list[Reliability]:
    """By category, of the pairs of one horizon; nothing of too few periods."""
    if len(pairs) < LEAST_PERIODS:
        return []
    weighed = {frozen.key for frozen, _ in pairs if (said := frozen.methods.get(BY_PHASE)) and said.value is not None}
    found = []
    fates = _judged(BY_PHASE, pairs)
    known = _judged(BY_PHASE, [pair for pair in pairs if pair[0].key in weighed])
    for category in sorted({fate.category for fate in fates}, key=lambda name: (name is None, name or "")):
        own = [fate for fate in fates if fate.category == category]
        with_chance = [fate for fate in known if fate.category == category]
        number = sum(fate.deals for fate in with_chance)
        found.append(
            Reliability(
                category,
                Counted(sum(fate.deals for fate in own if fate.end == "won"), sum(fate.deals for fate in own)),
                float(sum(fate.odds for fate in with_chance)) / number if number else None,
                float(sum(fate.squared for fate in with_chance)) / number if number else None,
            )
        )
    return found
