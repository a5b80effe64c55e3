"""The clocks of those who tell are an hour off (fault 41 of docs/faults.md). What an API makes of odd times is in
tests/integration/test_clocks.py."""

from datetime import timedelta
from itertools import pairwise

from shared import instruments
from shared.contracts.marketing import LeadCreated
from shared.messaging.relay import Relay
from tests.support.invariants import broken, quiet
from tests.support.messaging import LONG, MakeSide, Side, journeys, log_of, reading, until, write_down
from tests.support.node import node

AHEAD = timedelta(hours=1, minutes=2)  # further than a broker takes a stamp by its own settings


def seen() -> float:
    return float(instruments.clock_skew.labels("marketing")._value.get())


async def test_41_replicas_whose_clocks_are_an_hour_off_change_neither_ids_nor_order_and_are_seen(
    sides: MakeSide,
) -> None:
    publisher, reader = await sides("marketing"), await sides("inside_sales")
    reading(reader, publisher, {LeadCreated: write_down})
    instruments.clock_skew.clear()  # what another test has seen

    async def skewed() -> bool:
        return seen() > AHEAD.total_seconds() - 60

    with node("tell", publisher, ahead=AHEAD) as fast:
        await until(skewed, LONG)
        with node("tell", publisher, ahead=-AHEAD) as slow:
            await slow.works()
            await more_heard(reader, 200)
            fast.stop()
            assert await fast.dies() == 0, fast.said()
            await more_heard(reader, 20)
            slow.stop()
            assert await slow.dies() == 0, slow.said()
    publisher.start(Relay(publisher.database, publisher.kafka, "marketing").run())
    await publisher.say(*journeys())
    await quiet(publisher, reader)
    assert await broken(publisher, reader) == []
    assert seen() == 0, "the last event was told by a clock like ours"
    first = [meta for meta in await log_of(publisher) if meta.key == str(journeys()[0])]
    steps = [later.recorded - earlier.recorded for earlier, later in pairwise(first)]
    assert min(steps) < -AHEAD < AHEAD < max(steps), "they did not take turns: the test did not do its work"


async def more_heard(reader: Side, number: int) -> None:
    """Waits until so many more were heard."""
    enough = await reader.count("heard") + number

    async def heard() -> bool:
        return await reader.count("heard") >= enough

    await until(heard, LONG)
