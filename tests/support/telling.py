"""Events told to kpi one by one, days after a first moment, and the figures asked of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.contracts import Event
from shared.money import Money
from tests.support.rig import Rig

AT = datetime(2026, 4, 3, tzinfo=UTC)
SPAN = {"from": "2026-04-01", "to": "2026-05-01", "as_of": "2026-05-01T00:00:00+09:00"}


def yen(amount: int) -> Money:
    return Money(amount=amount, currency="JPY")


async def tell(rig: Rig, *told: tuple[float, Event]) -> None:
    """Each so many days after AT; recorded when it occurred."""
    await rig.hand_over(
        [
            rig.record(
                event,
                event.subject.partition("/")[2],
                at=AT + timedelta(days=days),
                recorded=AT + timedelta(days=days),
                replay_only=True,
            )
            for days, event in told
        ]
    )


async def metric(rig: Rig, name: str, **params: Any) -> dict[str, Any]:
    """Of April 2026 at its end, unless asked otherwise."""
    answer = await rig.client("viewer").get(f"/v1/metrics/{name}", params={**SPAN, **params})
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found
