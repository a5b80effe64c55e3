"""What became of every line."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from deploy.history.telling import Telling


@dataclass
class Report:
    """`refused` is what no department took, `concluded` what they say again by themselves; each with its reason."""

    counts: Counter[str] = field(default_factory=Counter)
    refused: list[dict[str, str]] = field(default_factory=list)
    concluded: list[dict[str, str]] = field(default_factory=list)

    @property
    def gone_on(self) -> int:
        """How many have come through, so that others may follow."""
        return self.counts.total() - self.counts["refused"]

    def take(self, what: str) -> None:
        self.counts[what] += 1

    def refuse(self, told: Telling, rule: str, reason: str) -> None:
        self.counts["refused"] += 1
        self.refused.append({"place": told.place, "type": told.event.type, "rule": rule, "reason": reason})

    def conclude(self, told: Telling, reason: str) -> None:
        self.concluded.append({"place": told.place, "type": told.event.type, "reason": reason})

    def as_dict(self) -> dict[str, Any]:
        counts = {name: self.counts[name] for name in ("carried", "known")}
        return {**counts, "refused": self.refused, "concluded": self.concluded}

    def lines(self) -> list[str]:
        """For people, in the order of the file."""
        said = [f"{one['place']}: {one['type']} refused ({one['rule']}): {one['reason']}" for one in self.refused]
        said += [f"{one['place']}: {one['type']} not carried: {one['reason']}" for one in self.concluded]
        return sorted(said, key=_place)


def _place(line: str) -> tuple[int, str]:
    number = line.removeprefix("line ").partition(":")[0]
    return (int(number), "") if number.isdecimal() else (1 << 31, line)
