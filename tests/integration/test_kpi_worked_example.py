"""The worked example by every dimension: the chain closes, whatever the order its events came in.

Its single figures are in test_worked_example.
"""

from typing import Any

import pytest

from services.kpi.app import SERVICE
from tests.support.kpi import QUARTER, closes, decide, played, shuffled, take, worked_example
from tests.support.rig import MakeRig, Rig


@pytest.fixture
async def kpi(make_rig: MakeRig) -> Rig:
    return await played(make_rig)


async def ask(rig: Rig, path: str, **more: Any) -> dict[str, Any]:
    answer = await rig.client("viewer").get(path, params={**QUARTER, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_chain_closes_in_every_slice_and_month(kpi: Rig) -> None:
    for chain in ("mql", "lead"):
        for by in ("channel", "segment", "owner"):
            for unit in ("cycle", "lead", "account"):
                found = await ask(kpi, "/v1/funnel", chain=chain, by=by, unit=unit, interval="month")
                parts = [found, *found["groups"], *found["periods"]]
                parts += [group for period in found["periods"] for group in period["groups"]]
                for part in parts:
                    closes(part["stages"])
                assert [group["value"] for group in found["groups"]][-1] == "(unset)"


QUESTIONS: list[tuple[str, dict[str, str]]] = [
    ("/v1/funnel", {"by": "channel", "interval": "month"}),
    ("/v1/funnel", {"mode": "cohort", "by": "segment"}),
    ("/v1/funnel", {"mode": "closed", "unit": "lead"}),
    ("/v1/funnel", {"as_of": "2026-05-31T15:00:00Z", "slice": "latest", "by": "channel"}),
    ("/v1/funnel", {"known_at": "2026-05-31T15:00:00Z", "by": "segment"}),
    ("/v1/mrr", {"by": "segment", "interval": "month"}),
    ("/v1/mrr", {"basis": "live", "known_at": "2026-06-02T15:00:00Z"}),
    ("/v1/metrics/occupancy", {"interval": "month", "by": "segment"}),
    ("/v1/metrics/pipeline", {"interval": "week", "by": "channel"}),
]


@pytest.mark.parametrize("seed", [None, 7, 2026])
async def test_any_order_and_any_repetition_gives_the_same_answers(
    kpi: Rig, make_rig: MakeRig, seed: int | None
) -> None:
    other = await make_rig(SERVICE)
    told, decisions = worked_example()
    await take(other, shuffled(other, told, seed=seed, again=0 if seed is None else 30), batch=11)
    await decide(other, decisions)
    for path, more in QUESTIONS:
        assert await ask(other, path, **more) == await ask(kpi, path, **more)
