"""Import jobs on a real database: what becomes of rows, resuming, dry runs."""

import asyncio
import functools
import signal
import sys
from uuid import UUID

import httpx
from sqlalchemy import select, update

from shared import clock
from shared.imports import store
from shared.imports.jobs import BATCH, run_job, run_open_jobs
from shared.imports.refusals import Refusal
from shared.imports.report import Counts
from shared.imports.tables import ImportChunkRow, ImportJobRow, ImportRefusalRow
from tests.support.import_rig import (
    CSV,
    HEAD,
    client,
    count,
    counts,
    errors,
    finished,
    is_finished,
    page,
    post,
    rig,
    until,
    url,
)
from tests.support.import_service import IMPORTERS, IMPORTS, RepRow
from tests.support.rig import Rig

__all__ = ["client", "rig", "url"]  # fixtures


async def test_a_file_is_taken_in_and_told(rig: Rig, client: httpx.AsyncClient) -> None:
    coloured = page(2_500).replace("\n", ",red\n").replace("week,red", "week,colour")
    answer = await client.post("/v1/imports?resource=reps", content=coloured, headers=CSV)
    started = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/imports/{started['id']}")
    assert (started["status"], started["rows"], started["unused_columns"]) == ("queued", 2_500, ["colour"])
    assert started["columns"] == {"external_id": "external_id", "name": "name", "slots_per_week": "slots_per_week"}
    job = await finished(rig, client, started)
    assert counts(job) == {"read": 2_500, "new": 2_500, "events": 2_500}
    assert job["user"] == "tester"
    assert await count(rig, RepRow) == 2_500
    assert len(await rig.told()) == 2_500
    assert await count(rig, ImportChunkRow) == 0
    assert await errors(client, job) == []


async def test_the_same_files_again_answer_the_finished_import_and_change_nothing(
    rig: Rig, client: httpx.AsyncClient
) -> None:
    first = await finished(rig, client, await post(client, page(10)))
    again = await post(client, page(10), status=200)
    assert again == first
    assert await run_open_jobs(rig.database, IMPORTERS) == 0
    assert await count(rig, ImportJobRow) == 1
    other = await finished(rig, client, await post(client, page(10, first=5)))
    assert counts(other) == {"read": 10, "new": 5, "unchanged": 5, "events": 5}


async def test_the_same_files_can_be_imported_anew_on_request(rig: Rig, client: httpx.AsyncClient) -> None:
    first = await finished(rig, client, await post(client, page(10)))
    again = await finished(rig, client, await post(client, page(10), "&again=true"))
    assert again["id"] != first["id"]
    assert counts(again) == {"read": 10, "unchanged": 10}


async def test_what_changed_is_an_update(rig: Rig, client: httpx.AsyncClient) -> None:
    await finished(rig, client, await post(client, HEAD + "A,Ann,1\nB,Bob,1\n"))
    job = await finished(rig, client, await post(client, HEAD + "A,Ann,2\nB,Bob,1\nC,Waiting Cid,\n"))
    assert counts(job) == {"read": 3, "updated": 1, "unchanged": 1, "waiting": 1, "events": 2}


async def test_a_bad_row_is_refused_while_the_others_go_in(rig: Rig, client: httpx.AsyncClient) -> None:
    rows = [
        "A,Ann,1",
        "B,Buggy Bob,1",
        "C,Refused Cid,3",
        "D,Twin of Ann,4",
        "E,Eve,many",
        "A,Ann,1",
        "A,Ann,5",
        "C,Refused Cid,3",
        "F,Fay",
        "G,Gus,7",
    ]
    job = await finished(rig, client, await post(client, HEAD + "\n".join(rows) + "\n"))
    assert counts(job) == {"read": 10, "new": 2, "unchanged": 1, "refused": 7, "events": 2}
    found = [(line["line"], line["column"], line["value"], line["rule"]) for line in await errors(client, job)]
    assert found == [
        ("3", "", "", "internal"),
        ("4", "name", "Refused Cid", "not_welcome"),
        ("5", "", "", "conflict"),
        ("6", "slots_per_week", "many", "not_a_number"),
        ("8", "external_id", "A", "duplicate_key"),
        ("9", "", "", "repeats_refused"),
        ("10", "", "F,Fay", "cell_count"),
    ]
    assert await count(rig, RepRow) == 2
    assert sorted(event.key for event in await rig.told()) == ["A", "G"]


async def test_a_bad_row_costs_nothing_of_the_next_thousand(rig: Rig, client: httpx.AsyncClient) -> None:
    job = await finished(rig, client, await post(client, page(BATCH + 500).replace("Rep 7,", "Buggy 7,")))
    assert counts(job) == {"read": BATCH + 500, "new": BATCH + 499, "refused": 1, "events": BATCH + 499}
    async with rig.database.reading() as session:
        assert set(await session.scalars(select(RepRow.loads))) == {1}


async def test_a_dry_run_counts_alike_and_changes_nothing(rig: Rig, client: httpx.AsyncClient) -> None:
    text = page(1_200).replace("Rep 3,", "Refused 3,").replace("Rep 1100,", "Buggy 1100,")
    dry = await finished(rig, client, await post(client, text, "&dry_run=true"))
    assert dry["dry_run"]
    assert (await count(rig, RepRow), await rig.told()) == (0, [])
    assert [line["rule"] for line in await errors(client, dry)] == ["not_welcome", "internal"]
    real = await finished(rig, client, await post(client, text))
    assert counts(real) == counts(dry) == {"read": 1_200, "new": 1_198, "refused": 2, "events": 1_198}
    later = await finished(rig, client, await post(client, text, "&dry_run=true"))
    assert counts(later) == {"read": 1_200, "unchanged": 1_198, "refused": 2}


async def test_a_killed_worker_s_import_goes_on_where_it_was(rig: Rig, client: httpx.AsyncClient) -> None:
    text = page(6_000).replace("Rep 5,", "Refused 5,")
    job = await post(client, text)
    command = [sys.executable, "-m", "tests.support.import_service", rig.database.url]
    worker = await asyncio.create_subprocess_exec(*command)
    try:
        while (seen := (await client.get(f"/v1/imports/{job['id']}")).json())["read"] < 2 * BATCH:
            assert worker.returncode is None
            await asyncio.sleep(0.02)
    finally:
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    assert seen["status"] == "running"
    assert seen["read"] < 6_000
    await until(lambda: run_open_jobs(rig.database, IMPORTERS))  # once the server has noticed the lost connection
    done = await finished(rig, client, job)
    assert counts(done) == {"read": 6_000, "new": 5_999, "refused": 1, "events": 5_999}
    async with rig.database.reading() as session:
        assert set(await session.scalars(select(RepRow.loads))) == {1}
    told = [event.key for event in await rig.told()]
    assert len(told) == len(set(told)) == 5_999
    assert [line["line"] for line in await errors(client, job)] == ["7"]


async def test_two_workers_at_one_job_do_nothing_twice(rig: Rig, client: httpx.AsyncClient) -> None:
    job = await post(client, page(5_000))
    async with rig.database.reading() as session:
        row = await store.oldest_open(session)
    assert row is not None
    await asyncio.gather(*(run_job(rig.database, IMPORTERS, row) for _ in range(2)))
    done = await finished(rig, client, job)
    assert counts(done) == {"read": 5_000, "new": 5_000, "events": 5_000}
    assert len(await rig.told()) == 5_000


async def test_an_importer_that_is_gone_fails_the_job_and_the_files_can_be_sent_again(
    rig: Rig, client: httpx.AsyncClient
) -> None:
    job = await post(client, page(3))
    assert await run_open_jobs(rig.database, {}) == 1
    failed = (await client.get(f"/v1/imports/{job['id']}")).json()
    assert (failed["status"], failed["problem"]["rule"]) == ("failed", "internal")
    assert await count(rig, ImportChunkRow) == 0
    assert (await finished(rig, client, await post(client, page(3))))["new"] == 3


async def test_the_worker_takes_jobs_as_they_come(rig: Rig, client: httpx.AsyncClient) -> None:
    worker = asyncio.create_task(IMPORTS.work(rig.runtime))
    try:
        for number in (1, 2):
            job = await post(client, page(number))
            await until(functools.partial(is_finished, client, job))
    finally:
        worker.cancel()
    assert await count(rig, RepRow) == 2


async def test_refused_rows_are_forgotten_after_a_while(rig: Rig, client: httpx.AsyncClient) -> None:
    job = await finished(rig, client, await post(client, HEAD + "A,Refused Ann,1\nB,,\n"))
    assert len(await errors(client, job)) == 2
    old = clock.utc_now() - store.KEEP_REFUSALS * 1.01
    async with rig.database.transaction() as tx:
        await store.forget_old_refusals(tx.session, clock.utc_now())
    assert await count(rig, ImportRefusalRow) == 2
    async with rig.database.transaction() as tx:
        await tx.session.execute(update(ImportJobRow).values(finished_at=old))
        await store.forget_old_refusals(tx.session, clock.utc_now())
    assert await count(rig, ImportRefusalRow) == 0
    assert (await client.get(f"/v1/imports/{job['id']}/errors.csv")).status_code == 404


async def forget(rig: Rig) -> None:
    async with rig.database.transaction() as tx:
        await store.forget_values(tx.session)


async def test_what_refused_cells_said_goes_when_a_person_is_erased(rig: Rig, client: httpx.AsyncClient) -> None:
    rows = HEAD + "A,Refused Ann,1\nB,Bob,many\nC,Cid\n"
    for query in ("", "&dry_run=true"):
        job = await finished(rig, client, await post(client, rows, query))
        assert "Refused Ann" in str(await errors(client, job))
        await forget(rig)
        found = await errors(client, job)
        assert [(line["line"], line["column"], line["rule"]) for line in found] == [
            ("2", "name", "not_welcome"),
            ("3", "slots_per_week", "not_a_number"),
            ("4", "", "cell_count"),
        ]
        assert {(line["value"], line["explanation"]) for line in found} == {("", store.FORGOTTEN)}
    later = await finished(rig, client, await post(client, HEAD + "D,Refused Dan,1\n"))
    assert [line["value"] for line in await errors(client, later)] == ["Refused Dan"]


async def test_a_file_taken_in_before_a_person_was_erased_keeps_no_values(rig: Rig, client: httpx.AsyncClient) -> None:
    started = await post(client, page(10).replace("Rep 3,", "Refused 3,"))
    await forget(rig)
    await forget(rig)
    job = await finished(rig, client, started)
    assert counts(job) == {"read": 10, "new": 9, "refused": 1, "events": 9}
    assert [tuple(line.values()) for line in await errors(client, job)] == [
        ("5", "name", "", "not_welcome", store.FORGOTTEN)
    ]


async def test_erasing_waits_for_the_rows_being_taken_in(rig: Rig, client: httpx.AsyncClient) -> None:
    started = await post(client, HEAD + "A,Refused Ann,1\n")
    async with rig.database.transaction() as tx:
        await tx.session.execute(update(ImportJobRow).values(status="running"))
    refusal = Refusal.of(2, "name", "Refused Ann", "not_welcome", "Ann is not welcome")
    async with rig.database.transaction() as batch:
        await store.hold_place(batch.session, UUID(started["id"]), 0)
        erasing = asyncio.create_task(forget(rig))
        await store.advance(batch.session, UUID(started["id"]), Counts(), [refusal], clock.utc_now())
        await asyncio.sleep(0.2)
        assert not erasing.done()
    await erasing
    assert [line["value"] for line in await errors(client, started)] == [""]
