"""The phases of an open opportunity and what must be known before it leaves one of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from shared.errors import Invalid, Refused


class ExitCriteriaNotMet(Refused):
    """The phases passed on the way demand fields that have no value yet; `missing` lists them."""

    rule = "exit_criteria"


@dataclass(frozen=True, slots=True)
class Phase:
    """`required` must be known to leave it forward; `a|b` means one of the two. `probability` of winning, 0 to 1."""

    code: str
    required: tuple[str, ...] = ()
    probability: float = 0.0
    ja: str = ""
    en: str = ""


@dataclass(frozen=True, slots=True)
class Phases:
    """The phases in their order, as one version of the rule has them; `to_win` must be known to win."""

    phases: tuple[Phase, ...]
    to_win: tuple[str, ...] = ()
    version: int = 1

    @property
    def first(self) -> str:
        return self.phases[0].code

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(phase.code for phase in self.phases)

    def probability(self, code: str | None) -> float | None:
        return next((phase.probability for phase in self.phases if phase.code == code), None)

    def check(self, code: str) -> str:
        """Raises Invalid naming the codes that exist."""
        if code not in self.codes:
            raise Invalid("phase", f"one of {', '.join(self.codes)}")
        return code

    def advance(self, current: str | None, target: str, known: Collection[str]) -> bool:
        """Whether going from `current` to `target` is a step back, which is always allowed.

        A step forward must meet the exit criteria of every phase it leaves or skips. A current phase that this
        version no longer has counts as before the first. Raises Invalid, ExitCriteriaNotMet.
        """
        to = self.codes.index(self.check(target))
        since = self.codes.index(current) if current in self.codes else -1
        passed = [name for phase in self.phases[max(since, 0) : to] for name in phase.required]
        if missing := unmet(passed, known):
            raise ExitCriteriaNotMet(f"Before {target}, these must be known: {', '.join(missing)}", missing=missing)
        return to < since

    def may_win(self, known: Collection[str]) -> None:
        """Raises ExitCriteriaNotMet."""
        if missing := unmet(self.to_win, known):
            raise ExitCriteriaNotMet(f"To win, these must be known: {', '.join(missing)}", missing=missing)


def unmet(required: Sequence[str], known: Collection[str]) -> list[str]:
    """The requirements nothing known fulfils, each once, in their order."""
    wanted = dict.fromkeys(required)
    return [names for names in wanted if not any(name in known for name in names.split("|"))]
