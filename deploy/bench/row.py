"""One line of the benchmarks' table."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """What was measured, and beside it the same of a peer in the same run."""

    what: str
    unit: str
    value: float
    peer: str
    peer_value: float

    @property
    def ratio(self) -> float:
        """Ours to the peer's."""
        return self.value / self.peer_value

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio}
