"""The transition criteria (移行判定基準): what must be known of a lead, and be good enough, to become an SQL."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.inside_sales.domain.rules import Rule
from shared.errors import Refused

CODED = ("budget", "authority", "need", "timing", "size")
JUDGED = (*CODED, "product", "appointment")


class CriteriaNotMet(Refused):
    rule, title = "criteria_not_met", "The transition criteria are not met"


@dataclass(frozen=True, slots=True)
class CriteriaRule(Rule):
    """`required` must be given; `passes` lists the codes that are good enough, for those it names."""

    required: tuple[str, ...]
    passes: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        if unknown := set(self.required) - set(JUDGED):
            raise ValueError(f"required knows {', '.join(JUDGED)}, not {', '.join(sorted(unknown))}")
        if unknown := set(self.passes) - set(CODED):
            raise ValueError(f"passes knows {', '.join(CODED)}, not {', '.join(sorted(unknown))}")
        if empty := [name for name, codes in self.passes.items() if not codes]:
            raise ValueError(f"nothing would ever pass: {', '.join(empty)}")

    def judge(self, given: Mapping[str, object | None], version: int) -> None:
        """Raises CriteriaNotMet: `missing` names every criterion that does not hold, `unmet` says what would."""
        unmet: dict[str, object] = {}
        for name in dict.fromkeys((*self.required, *self.passes)):
            value, passes = given.get(name), self.passes.get(name, ())
            if value is None:
                if name in self.required:
                    unmet[name] = {"given": None, "passes": list(passes)}
            elif passes and value not in passes:
                unmet[name] = {"given": value, "passes": list(passes)}
        if unmet:
            detail = f"Version {version} of the criteria asks for {', '.join(unmet)}"
            raise CriteriaNotMet(detail, missing=list(unmet), unmet=unmet, criteria_version=version)
