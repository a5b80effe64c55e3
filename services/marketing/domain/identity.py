"""Finding the same person or company again (名寄せ): strong keys first, unless the two contradict each other."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PersonKeys:
    """All folded; `account` is the company's id."""

    external_id: str | None = None
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    account: UUID | None = None


@dataclass(frozen=True, slots=True)
class CompanyKeys:
    """All folded."""

    external_id: str | None = None
    corporate_number: str | None = None
    domain: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Records that agree in all of `by` are the same, `unless` both know one of those fields and differ in it."""

    by: tuple[str, ...]
    unless: tuple[str, ...] = ()


PERSON_RULES = (
    Rule(("external_id",)),
    Rule(("email",)),
    Rule(("phone",), unless=("name",)),  # a switchboard's number is everybody's
    Rule(("name", "account"), unless=("email", "external_id")),  # namesakes in one company have their own addresses
)
COMPANY_RULES = (
    Rule(("external_id",)),
    Rule(("corporate_number",)),
    Rule(("domain",), unless=("corporate_number",)),  # a group may share one domain
    Rule(("name",), unless=("corporate_number", "domain", "external_id")),  # many companies share a name
)

Keys = PersonKeys | CompanyKeys


class Directory(Generic[T]):
    """Records by their keys. What was put in first is found first."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._entries: dict[tuple[Rule, tuple[object, ...]], list[tuple[Keys, T]]] = defaultdict(list)

    def put(self, keys: Keys, record: T) -> None:
        for rule, place in self._places(keys):
            self._entries[rule, place].append((keys, record))

    def find(self, keys: Keys) -> T | None:
        """By the strongest rule that finds one."""
        for rule, place in self._places(keys):
            for known, record in self._entries.get((rule, place), ()):
                if not any(_differ(known, keys, name) for name in rule.unless):
                    return record
        return None

    def _places(self, keys: Keys) -> Iterable[tuple[Rule, tuple[object, ...]]]:
        for rule in self._rules:
            place = tuple(getattr(keys, name) for name in rule.by)
            if all(place):
                yield rule, place


def _differ(one: Keys, other: Keys, name: str) -> bool:
    mine, theirs = getattr(one, name), getattr(other, name)
    return bool(mine and theirs and mine != theirs)
