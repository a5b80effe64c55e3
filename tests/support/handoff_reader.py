"""What may happen to the workers that read, and to their database."""

from collections.abc import Callable
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from shared.messaging.consumer import Batch
from shared.messaging.kafka import TopicPartition, partition_of
from shared.messaging.offsets import Fenced
from tests.support.handoff import PLACES, TOPIC
from tests.support.handoff_model import HandOffModel

# Few journeys, so that much happens to each; they share two partitions.
KEYS = [uuid5(NAMESPACE_OID, name) for name in ("k1", "k2", "k8", "k7", "k9")]
SHARED = sorted({TopicPartition(TOPIC, partition_of(str(key))) for key in KEYS})
EFFECT_DIES = ["consumer.after_read", "consumer.before_commit", "act.before_commit", "consumer.after_apply"]
WORKER_DIES = st.sampled_from([None, None, None, None, *EFFECT_DIES])
REDRIVE_DIES = st.sampled_from([None, None, "redrive.after_stream", "act.before_commit"])
WHICH = st.integers(0, 1)
FEW = st.sampled_from([500, 500, 1, 2, 5])


def left(what: str) -> Callable[[Any], Any]:
    """Only while it may still happen in this run."""
    return precondition(lambda machine: machine.left[what] > 0)


class ReaderTrouble(HandOffModel):
    """Two workers share the partitions, or believe to."""

    @rule(split=st.integers(0, 12), knows=st.tuples(st.booleans(), st.booleans()))
    def partitions_change_hands(self, split: int, knows: tuple[bool, bool]) -> None:
        """Who does not know of it goes on with what it had."""
        for worker, places, told in zip(self.workers, (PLACES[:split], PLACES[split:]), knows, strict=True):
            if told:
                worker.consumer.assign(places)

    @precondition(lambda self: self.bench.log.all(TOPIC))
    @rule(which=WHICH, most=FEW, dies_at=WORKER_DIES)
    def a_worker_goes_on(self, which: int, most: int, dies_at: str | None) -> None:
        self.run(self.workers[which].step(most, dies_at))

    @precondition(lambda self: self.bench.log.all(TOPIC))
    @rule(which=WHICH, place=st.sampled_from(SHARED), by=st.integers(-3, 3), most=FEW)
    def a_worker_is_given_records_from_elsewhere(self, which: int, place: TopicPartition, by: int, most: int) -> None:
        worker = self.workers[which]
        if worker.loop.owned is worker.consumer.assignment() and place in worker.loop.next:
            worker.consumer.slip(place, by)
        self.run(worker.step(most))
        self.run(worker.step(most))  # where it finds a hole, it looks once more before it believes it

    @precondition(lambda self: self.sent())
    @rule(which=WHICH, place=st.sampled_from(SHARED), off=st.integers(-5, 2), most=FEW, beside=st.booleans())
    def a_zombie_applies_what_it_read_elsewhere(
        self, which: int, place: TopicPartition, off: int, most: int, beside: bool
    ) -> None:
        """Long ago, or where the database has not got to yet; perhaps together with something that it might apply.
        Nothing of it is."""
        stands = self.run(self.stands())
        begins = max(0, stands.get(place, 0) + off)
        if begins == stands.get(place, 0) or begins >= self.bench.log.end(place):
            return
        starts = {**(stands if beside else {}), place: begins}
        log = self.bench.log.records
        batch: Batch = {each: found for each, at in starts.items() if (found := log[each][at : at + most])}
        ends = {each: (found[0].offset, found[-1].offset + 1) for each, found in batch.items()}
        with pytest.raises(Fenced):
            self.runner.run(self.workers[which].inbox.apply(ends, batch))
        assert self.run(self.stands()) == stands

    @precondition(lambda self: not self.bench.broken)
    @rule(keys=st.sets(st.sampled_from(KEYS), min_size=1, max_size=2))
    def a_handler_begins_to_fail(self, keys: set[UUID]) -> None:
        self.bench.broken.update(map(str, keys))

    @precondition(lambda self: self.bench.broken)
    @rule(which=WHICH, dies_at=REDRIVE_DIES)
    def it_is_mended_and_what_waits_is_taken_again(self, which: int, dies_at: str | None) -> None:
        self.bench.broken.clear()
        self.run(self.workers[which].redrive(dies_at))

    @left("lost")
    @precondition(lambda self: self.sent())
    @rule()
    def the_reader_loses_its_database(self) -> None:
        """It hears everything anew. (A worker that stood at the end of the log would only notice with the next
        record.)"""
        self.left["lost"] -= 1
        self.run(self.bench.load_reader_anew())
