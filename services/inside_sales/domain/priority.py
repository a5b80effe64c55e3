"""The order of the queue: score × age × SLA × valve, each factor by numbers the department sets."""

from dataclasses import dataclass, fields

from services.inside_sales.domain.rules import Rule


@dataclass(frozen=True, slots=True)
class QueueRule(Rule):
    """priority = score factor × age factor × SLA factor × valve factor:
    score: score ÷ 100, at least `score_floor`; without a score `default_score` counts, here and at the valve.
    age: 1 + minutes waited ÷ `age_minutes`, at most 1 + `age_cap`, so that nobody waits for ever.
    SLA: `sla_overdue` past the due instant, `sla_soon` in the last `sla_soon_minutes` before it, else 1.
    valve: `held` for what the valve holds back, else 1."""

    default_score: int
    score_floor: float
    age_minutes: float
    age_cap: float
    sla_soon_minutes: float
    sla_soon: float
    sla_overdue: float
    held: float

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 0 <= getattr(self, field.name) <= 1_000_000:
                raise ValueError(f"{field.name} is 0 to 1000000")
        if not self.age_minutes or not self.score_floor:
            raise ValueError("age_minutes and score_floor are above 0")
