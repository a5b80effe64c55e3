"""The whole of it: rules put aside, journeys carried, rules put back."""

from collections.abc import Callable, Sequence

from deploy.history.carry.carrier import Carrier
from deploy.history.carry.report import Report
from deploy.history.carry.rules import leave_recycling_to_history, onboarding_of_old_deals
from deploy.history.telling import Telling
from deploy.simulate.voices import Voices


async def carry(voices: Voices, name: str, told: Sequence[Telling], step: Callable[[int], None]) -> Report:
    """`name` is the history's, `step` is told of every event that is through."""
    report = Report()
    if told:
        await leave_recycling_to_history(voices, told)
        async with onboarding_of_old_deals(voices, told):
            await Carrier(voices, name, report, step).carry(told)
    return report
