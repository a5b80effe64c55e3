"""A case: what was told, what is no event, and every figure that must come out of it.

`events.jsonl`, `fixtures.json` and `expected.json` in one folder are a case. Where each figure is asked for, and where
in the answer it stands, is told once for all cases in docs/examples/worked_example_paths.json.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from deploy.history.fixtures import Fixtures
from deploy.history.telling import Telling, read

CURRENCY = "JPY"
PATHS = Path(__file__).resolve().parents[2] / "docs/examples/worked_example_paths.json"
# What stands below a rate in expected.json, and what the same is called in an answer.
_FIGURES = {"num": "numerator", "den": "denominator", "value": "value", "ci95/0": "ci95[0]", "ci95/1": "ci95[1]"}
_PART = re.compile(r"([^.\[]+)|\[([^\]]+)\]")
Ask = Callable[[str], Awaitable[Any]]


@dataclass(frozen=True)
class Asked:
    """One figure: its place in expected.json, the request, the place in the answer, and what it must be.

    `digits`: how many after the point it was written with, where that is fewer than are compared.
    """

    leaf: str
    request: str
    path: str
    wanted: Any
    digits: int | None = None


@dataclass(frozen=True)
class Case:
    folder: Path

    @cached_property
    def fixtures(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "fixtures.json").read_text(encoding="utf-8"))
        return found

    @cached_property
    def told(self) -> list[Telling]:
        """The events, with those the fixtures become."""
        events = read((self.folder / "events.jsonl").read_text(encoding="utf-8").splitlines(), CURRENCY)
        return [*events, *Fixtures(self.fixtures, events, CURRENCY).tellings()]

    @property
    def decisions(self) -> Mapping[str, Any]:
        """The settings it is counted by."""
        return Fixtures(self.fixtures, [], CURRENCY).decisions()

    @property
    def goal(self) -> dict[str, Any] | None:
        """The shared goal it is judged by."""
        return Fixtures(self.fixtures, [], CURRENCY).goal()

    @cached_property
    def leaves(self) -> dict[str, Any]:
        return dict(_leaves(json.loads((self.folder / "expected.json").read_text(encoding="utf-8"))))

    def asked(self) -> Iterator[Asked]:
        """Every leaf the map knows the way to."""
        for leaf, wanted in self.leaves.items():
            if way := way_to(leaf, self._given):
                yield Asked(leaf, way.request, way.path, wanted, way.digits)

    @property
    def _given(self) -> dict[str, str]:
        period = self.fixtures["period"]
        found = {"from": period["from"], "to": period["to"], "as_of": self.fixtures["as_of"]}
        if snapshot := self.fixtures.get("forecast_snapshot"):
            found |= {"snapshot_at": snapshot["at"], "snapshot_target": str(snapshot["target"])}
        found["goal"] = str(self.fixtures.get("backward_plan_goal_new_mrr", ""))
        rates = self.fixtures.get("plan_rates_for_the_bottleneck", {})
        return {**found, **{f"target_{name}": str(rate) for name, rate in rates.items()}}


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(inner, f"{place}/{name}")
    else:
        yield place, value


class Way(NamedTuple):
    pattern: re.Pattern[str]
    request: str
    path: str
    digits: int | None


def ways() -> list[Way]:
    """Patterns of leaves, requests and paths. `{name}` in a pattern is one part of the place, `{figure}` at its end
    any figure of a rate."""
    told: Mapping[str, Mapping[str, Any]] = json.loads(PATHS.read_text(encoding="utf-8"))
    found = []
    for pattern, way in told.items():
        expression = re.sub(r"\\\{(\w+)\\\}", _group, re.escape(pattern))
        found.append(Way(re.compile(expression), way["request"], way["path"], way.get("digits")))
    return found


def _group(found: re.Match[str]) -> str:
    return f"(?P<{found[1]}>{'|'.join(_FIGURES) if found[1] == 'figure' else '[^/]+'})"


def way_to(leaf: str, given: Mapping[str, str]) -> Way | None:
    for way in ways():
        if match := way.pattern.fullmatch(leaf):
            names = {**given, **match.groupdict()}
            names["figure"] = _FIGURES.get(names.get("figure", ""), "")
            return way._replace(request=_filled(way.request, names), path=_filled(way.path, names))
    return None


def _filled(text: str, names: Mapping[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def at(answer: Any, path: str) -> Any:
    """`a.b[0].c`, and `list[name=value,other=value].c` for the one item of a list that has these values."""
    for name, picked in _PART.findall(path):
        if name:
            answer = answer[name]
        elif picked.lstrip("-").isdigit():
            answer = answer[int(picked)]
        else:
            pairs = [pair.split("=", 1) for pair in picked.split(",")]
            (answer,) = [item for item in answer if all(str(item[key]) == value for key, value in pairs)]
    return answer
