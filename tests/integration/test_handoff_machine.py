"""The hand-off against a plain model, through any order of what may go wrong: outbox, relay and consumer are the real
ones and so are their databases; only the log is one in memory, whose bad days can be chosen.

What a reader heard is at every moment a beginning of what was committed, journey by journey, and all of it in the end
(I1 to I4, I6 and I7 of docs/faults.md).
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from shared import clock
from shared.messaging import relay as relay_module
from tests.support.engines import Engines
from tests.support.fake_log import MOODS
from tests.support.handoff import TOLD, Bench, Word, lived
from tests.support.handoff_model import told_by
from tests.support.handoff_reader import FEW, KEYS, WHICH, ReaderTrouble, left

ACT_DIES = st.sampled_from([None, None, None, None, "act.before_commit", "act.after_commit"])
RELAY_DIES = st.sampled_from([None, None, "relay.after_read", "relay.after_ack", "relay.after_settle"])
WORDS = st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(TOLD)), min_size=1, max_size=6)
RARELY = st.sampled_from([False, False, True])
BAD_DAYS = st.sampled_from([[], [], *([mood] for mood in MOODS)])
FOREIGN = (b"no json", b"[]", None, b'{"specversion": "1.0"}', b"zeroth", b"of another", b"past", b"past")
RARE = {"refused": 1, "taken": 2, "backup": 2, "restore": 2, "twice": 1, "foreign": 6, "lost": 2}


class HandOff(ReaderTrouble):
    """Everything that may happen: to who tells, to the relays and to the log too."""

    def __init__(self, runner: asyncio.Runner, bench: Bench) -> None:
        super().__init__(runner, bench, RARE)
        self.kept: dict[str, int] = {}
        self.aside = False

    # People act

    @rule(told=WORDS, dies_at=ACT_DIES, part=st.booleans())
    def an_act_tells(self, told: Sequence[tuple[UUID, Any]], dies_at: str | None, part: bool) -> None:
        """Of one journey or several; perhaps a part of it fails alone, perhaps its process dies."""
        words = self.words(told)
        stays, fails = (words[: len(words) // 2], words[len(words) // 2 :]) if part else (words, [])

        async def act() -> None:
            async with self.bench.publisher.database.transaction() as tx:
                self._announce(tx, stays)
                with suppress(ZeroDivisionError):
                    async with tx.savepoint():
                        self._announce(tx, fails)
                        raise ZeroDivisionError

        self.run(lived(act(), dies_at))
        if dies_at != "act.before_commit":
            self.commit(stays)

    def _announce(self, tx: Any, words: Sequence[Word]) -> None:
        for word in words:
            tx.announce(word.event, journey=word.key, at=clock.utc_now())

    @precondition(lambda self: len(self.open) < 2)
    @rule(kinds=st.lists(st.sampled_from(TOLD), min_size=1, max_size=2))
    def an_act_stays_open(self, kinds: Sequence[Any]) -> None:
        """It has its numbers, and commits later than others that came after it. Of a journey of its own: others of the
        same would wait for it."""
        key = uuid5(NAMESPACE_OID, f"open {self.last_word}")
        words, stack = self.words([(key, kind) for kind in kinds]), AsyncExitStack()

        async def begin() -> None:
            tx = await stack.enter_async_context(self.bench.publisher.database.transaction())
            self._announce(tx, words)
            await tx.flush()

        self.run(begin())
        self.open.append((stack, words))

    @precondition(lambda self: self.open)
    @rule(fails=RARELY)
    def it_ends_after_all(self, fails: bool) -> None:
        stack, words = self.open.pop(0)
        if fails:
            self.run(stack.__aexit__(ZeroDivisionError, ZeroDivisionError(), None))
        else:
            self.run(stack.aclose())
            self.commit(words)

    @left("refused")
    @rule(key=st.sampled_from(KEYS), kind=st.sampled_from(TOLD))
    def one_is_told_that_kafka_refuses_for_ever(self, key: UUID, kind: Any) -> None:
        self.left["refused"] -= 1
        words = self.words([(key, kind)])

        async def act() -> None:
            async with self.bench.publisher.database.transaction() as tx:
                self._announce(tx, words)
            ((row,),) = await self.bench.look(self.bench.publisher, "SELECT max(id) FROM outbox")
            self.bench.log.too_large.add(row)

        self.run(act())
        self.void.add(words[0].word)
        self.commit(words)

    # The relays: the second believes that it leads, too

    @rule(told=WORDS, which=WHICH, anew=RARELY, moods=BAD_DAYS, dies_at=RELAY_DIES)
    def a_relay_works(
        self, told: Sequence[tuple[UUID, Any]], which: int, anew: bool, moods: list[str], dies_at: str | None
    ) -> None:
        """It sends what it read before, or else what there is now."""
        self.an_act_tells(told, None, False)
        relay = self.relays[which]
        if anew or not relay.leads:
            self.run(self.start(relay))
        if not relay.held:
            self.run(relay.read(500))
        self.bench.log.moods = list(moods)
        self.run(relay.send(dies_at))
        self.bench.log.moods = []

    @rule(which=WHICH, most=FEW)
    def a_relay_reads(self, which: int, most: int) -> None:
        """And sends it later: what is told meanwhile is not among it, and what the other sends meanwhile is."""
        if not self.relays[which].leads:
            self.run(self.start(self.relays[which]))
        self.run(self.relays[which].read(most))

    @rule(told=WORDS, which=WHICH, most=FEW, moods=BAD_DAYS, dies_at=RELAY_DIES)
    def much_happens_between_its_look_and_its_send(
        self, told: Sequence[tuple[UUID, Any]], which: int, most: int, moods: list[str], dies_at: str | None
    ) -> None:
        self.an_act_tells(told, None, False)
        self.a_relay_reads(which, most)
        if self.open:
            self.it_ends_after_all(False)
        if self.aside:
            self.it_is_put_back()
        self.a_relay_works(told[:1], which, False, moods, dies_at)

    @rule(told=WORDS, which=WHICH)
    def all_goes_well(self, told: Sequence[tuple[UUID, Any]], which: int) -> None:
        self.a_relay_works(told, which, False, [], None)
        for worker in self.workers:
            self.run(worker.step(500))

    # The log

    @precondition(lambda self: self.bench.log.hung)
    @rule()
    def what_a_relay_gave_up_lands(self) -> None:
        self.bench.log.land()

    @left("twice")
    @precondition(lambda self: self.sent())
    @rule(heard=st.booleans())
    def the_whole_log_comes_twice(self, heard: bool) -> None:
        self.left["twice"] -= 1
        for worker in self.workers if heard else ():
            self.run(worker.step(500))
        self.bench.log.repeat()
        self.garbage += self.garbage

    @left("foreign")
    @rule(key=st.sampled_from(KEYS), value=st.sampled_from(FOREIGN))
    def something_else_is_written(self, key: UUID, value: bytes | None) -> None:
        """Garbage, also what looks like an event; or another system's past, whose numbers are its own."""
        self.left["foreign"] -= 1
        if value == b"past":
            for _ in range(3):
                self.loaded[str(key)] += 1
                self.write(key, told_by("/load/crm/marketing", key, self.loaded[str(key)]))
            return
        told = {b"zeroth": told_by("/marketing", key, 0), b"of another": told_by("/field_sales", key, 1)}
        self.write(key, told.get(value or b"", value))
        self.garbage += 1

    # The publisher's database

    @left("taken")
    @precondition(lambda self: not self.aside)
    @rule()
    def a_row_is_taken_out_of_the_outbox(self) -> None:
        """By hand, the first of it: its number is missing."""
        statement = """
            WITH gone AS (DELETE FROM outbox WHERE id = (SELECT min(id) FROM outbox) RETURNING *)
            INSERT INTO aside SELECT * FROM gone RETURNING id
        """
        self.aside = bool(self.run(self.bench.look(self.bench.publisher, statement)))
        self.left["taken"] -= self.aside
        self.gaps = self.gaps or self.aside

    @precondition(lambda self: self.aside)
    @rule()
    def it_is_put_back(self) -> None:
        statement = """
            WITH gone AS (DELETE FROM aside RETURNING *)
            INSERT INTO outbox OVERRIDING SYSTEM VALUE SELECT * FROM gone
        """
        self.run(self.bench.do(self.bench.publisher, statement))
        self.aside = False

    @left("backup")
    @precondition(lambda self: self.committed)
    @rule()
    def a_backup_is_made(self) -> None:
        self.left["backup"] -= 1
        self._settle_accounts(fails=False)
        self.run(self.bench.keep())
        self.kept = {key: len(words) for key, words in self.committed.items()}

    @left("restore")
    @precondition(lambda self: self.kept)
    @rule(told=WORDS)
    def the_backup_is_restored(self, told: Sequence[tuple[UUID, Any]]) -> None:
        """What was told since and not sent never was; what was sent stands, and the next number follows it. (What a
        relay gave up may not land later: no backup of one engine can know what another still holds.)"""
        self.left["restore"] -= 1
        self._settle_accounts(fails=True)
        self.bench.log.hung.clear()
        for relay in self.relays:
            relay.end()
        self.run(self.bench.restore())
        self.run(self.start(self.relays[0]))
        sent: Counter[str] = Counter()
        for _, _, meta in self.sent():
            sent[meta.key] = max(sent[meta.key], meta.sequence)
        for key, words in self.committed.items():
            del words[max(self.kept.get(key, 0), sent[key]) :]
        self.an_act_tells(told, None, False)

    def _settle_accounts(self, *, fails: bool) -> None:
        while self.open:
            self.it_ends_after_all(fails)
        if self.aside:
            self.it_is_put_back()


def test_whatever_goes_wrong_all_that_was_told_is_heard_once_and_in_order(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:  # one that leaves pytest's own alone
        bench = runner.run(Bench.open(engines))
        monkeypatch.setattr(relay_module, "Sender", lambda *of: bench.log.sender(*of))
        monkeypatch.setattr(relay_module, "open_reader", lambda *of: bench.log.reader(*of))
        monkeypatch.setattr(relay_module, "POLL_SECONDS", 0.001)

        class Here(HandOff):
            def __init__(self) -> None:
                super().__init__(runner, bench)

        # Slow by design: each step is an act on a real database.
        slow = [HealthCheck.too_slow]
        often = settings(max_examples=45, stateful_step_count=40, deadline=None, suppress_health_check=slow)
        try:
            run_state_machine_as_test(Here, settings=often)
        finally:
            runner.run(bench.close(engines))
