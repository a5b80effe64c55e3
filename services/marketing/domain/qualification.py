"""When a lead is an MQL (マーケティングが認めたリード): criteria as data, by segment, and what is still missing."""

from dataclasses import dataclass, field

from services.marketing.domain.document import Document
from services.marketing.domain.scoring import FIT_FIELDS, Facts, Score
from shared.errors import Refused


@dataclass(frozen=True)
class Criteria(Document):
    """All must hold. `required` are fields that must be known; `reachable` asks for an e-mail address or a phone."""

    score: int = 50
    fit: int = 0
    engagement: int = 0
    required: tuple[str, ...] = ()
    reachable: bool = True

    def __post_init__(self) -> None:
        if unknown := set(self.required) - FIT_FIELDS:
            raise ValueError(f"{', '.join(sorted(unknown))}: no fields of a lead")


@dataclass(frozen=True)
class CriteriaRules(Document):
    """`automatic`: a lead that meets them is an MQL at once; otherwise a person declares it."""

    everybody: Criteria = Criteria()
    by_segment: dict[str, Criteria] = field(default_factory=dict)
    automatic: bool = True

    def of(self, segment: str | None) -> Criteria:
        return self.by_segment.get(segment or "", self.everybody)


class CriteriaNotMet(Refused):
    rule, title = "criteria_not_met", "The criteria for an MQL do not hold"


class InWorkElsewhere(Refused):
    """Somebody already works for the same person or company: the lead joins them instead of becoming new work."""

    rule, title = "in_work_elsewhere", "The person or the company is in somebody's hands already"


def unmet(criteria: Criteria, facts: Facts, score: Score) -> list[str]:
    """What is missing, in words a caller can show."""
    figures = (("score", score.total), ("fit", score.fit), ("engagement", round(score.engagement)))
    missing = [
        f"{name} {getattr(criteria, name)} (is {value})" for name, value in figures if value < getattr(criteria, name)
    ]
    missing += [name for name in criteria.required if facts.get(name) in (None, False)]
    if criteria.reachable and not (facts.get("email") or facts.get("phone")):
        missing.append("email or phone")
    return missing
