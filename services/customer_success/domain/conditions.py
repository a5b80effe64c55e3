"""Conditions over what is known of a customer, kept as data: a fact, and from which number on it counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Numbers = Mapping[str, float]
"""What is known, by name; what is not known is not there."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds where the fact is known and `at_least` ≤ fact < `below`."""

    fact: str
    at_least: float | None = None
    below: float | None = None

    def holds(self, numbers: Numbers) -> bool:
        number = numbers.get(self.fact)
        if number is None:
            return False
        return (self.at_least is None or number >= self.at_least) and (self.below is None or number < self.below)


@dataclass(frozen=True, slots=True)
class Alarm:
    """A reason for concern: all its conditions hold."""

    code: str
    conditions: tuple[Condition, ...]

    def rings(self, numbers: Numbers) -> bool:
        return all(condition.holds(numbers) for condition in self.conditions)


def ringing(alarms: Sequence[Alarm], numbers: Numbers) -> tuple[str, ...]:
    return tuple(alarm.code for alarm in alarms if alarm.rings(numbers))
