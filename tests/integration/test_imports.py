"""Import jobs on a real database, through the real HTTP application."""

import asyncio
import csv
import functools
import io
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import create_async_engine

from shared import clock
from shared.database import Database
from shared.http.app import create_app
from shared.imports import store
from shared.imports.jobs import BATCH, run_job, run_open_jobs
from shared.imports.tables import ImportChunkRow, ImportJobRow, ImportRefusalRow
from shared.migrate import merged
from shared.service import Runtime
from shared.settings import Settings
from tests.support.engines import Engines
from tests.support.import_service import IMPORTERS, IMPORTS, SERVICE, RepRow
from tests.support.rig import Rig, keys

HEAD = "external_id,name,slots_per_week\n"
CSV = {"Content-Type": "text/csv"}
OUTCOMES = ("read", "new", "updated", "unchanged", "skipped", "waiting", "refused", "events")


@pytest.fixture
async def rig(engines: Engines) -> AsyncIterator[Rig]:
    url = engines.create_database("imports")
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.begin() as connection:
        await connection.run_sync(merged(SERVICE.metadata).create_all)
    await engine.dispose()
    settings = Settings(service=SERVICE.name, kafka=engines.kafka)
    database = Database(url, source="/field_sales", topic=settings.topic(), pool_size=4)
    runtime = Runtime(settings, database, keys())
    rig = Rig(SERVICE, runtime, create_app(SERVICE, runtime), engines)
    yield rig
    await rig.close()


@pytest.fixture
def client(rig: Rig) -> httpx.AsyncClient:
    return rig.client("field_sales")


def page(rows: int, first: int = 0) -> str:
    return HEAD + "".join(f"R-{n},Rep {n},{n % 7}\n" for n in range(first, first + rows))


async def post(client: httpx.AsyncClient, text: str | bytes, query: str = "", status: int = 202) -> dict[str, Any]:
    answer = await client.post(f"/v1/imports?resource=reps{query}", content=text, headers=CSV)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def finished(rig: Rig, client: httpx.AsyncClient, job: dict[str, Any]) -> dict[str, Any]:
    await run_open_jobs(rig.database, IMPORTERS)
    answer = await client.get(f"/v1/imports/{job['id']}")
    assert answer.status_code == 200
    found = dict(answer.json())
    assert found["status"] == "finished", found
    assert found["read"] == sum(found[name] for name in OUTCOMES[1:7])
    return found


async def errors(client: httpx.AsyncClient, job: dict[str, Any]) -> list[dict[str, str]]:
    answer = await client.get(f"/v1/imports/{job['id']}/errors.csv")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbfline,column,value,rule,explanation\r\n")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


async def until(answer: Callable[[], Awaitable[object]], seconds: float = 20) -> None:
    """Ask again and again until `answer` is something."""
    async with asyncio.timeout(seconds):
        while not await answer():  # noqa: ASYNC110 another process or task answers, which sets no event here
            await asyncio.sleep(0.02)


async def is_finished(client: httpx.AsyncClient, job: dict[str, Any]) -> bool:
    return bool((await client.get(f"/v1/imports/{job['id']}")).json()["status"] == "finished")


async def count(rig: Rig, table: Any) -> int:
    async with rig.database.reading() as session:
        return int(await session.scalar(select(func.count()).select_from(table)) or 0)


def counts(job: dict[str, Any]) -> dict[str, int]:
    return {name: job[name] for name in OUTCOMES if job[name]}


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


async def test_two_uploads_of_the_same_file_at_once_are_one_import(rig: Rig, client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(client.post("/v1/imports?resource=reps", content=page(50), headers=CSV) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 202]
    assert len({answer.json()["id"] for answer in answers}) == 1


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


async def test_a_mapping_a_second_file_and_cp932_go_in_as_multipart(rig: Rig, client: httpx.AsyncClient) -> None:
    mapping = """
        file = { encoding = "cp932" }
        columns = { external_id = "社員番号", slots_per_week = "枠" }
        join.name = { file = "names.csv", on = "社員番号", take = "氏名" }
        skip."枠" = ["-"]
    """
    files = {
        "file": ("C:\\data\\reps.csv", "社員番号,枠\r\nＡ１,３\r\nB2,-\r\n".encode("cp932")),
        "mapping": ("m.toml", mapping.encode()),
        "names.csv": ("names.csv", "社員番号,氏名\r\nＡ１,髙橋\r\n".encode("cp932")),
        "other.csv": ("other.csv", b"not asked for"),
    }
    answer = await client.post("/v1/imports?resource=reps", files=files)
    assert answer.status_code == 202, answer.text
    assert answer.json()["file_name"] == "reps.csv"
    job = await finished(rig, client, answer.json())
    assert counts(job) == {"read": 2, "new": 1, "skipped": 1, "events": 1}
    async with rig.database.reading() as session:
        rep = (await session.scalars(select(RepRow))).one()
    assert (rep.external_id, rep.name, rep.slots) == ("A1", "髙橋", 3)
    again = await client.post("/v1/imports?resource=reps", files=files)
    assert (again.status_code, again.json()["id"]) == (200, job["id"])
    changed = {**files, "names.csv": ("names.csv", "社員番号,氏名\r\nＡ１,高橋\r\n".encode("cp932"))}
    assert (await client.post("/v1/imports?resource=reps", files=changed)).status_code == 202


async def test_the_charset_of_the_request_is_believed(rig: Rig, client: httpx.AsyncClient) -> None:
    data = (HEAD + "1,髙橋,3\n").encode("cp932")
    refused = await client.post("/v1/imports?resource=reps", content=data, headers=CSV)
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/wrong_encoding")
    headers = {"Content-Type": "text/csv; charset=Shift_JIS"}
    answer = await client.post("/v1/imports?resource=reps", content=data, headers=headers)
    assert counts(await finished(rig, client, answer.json())) == {"read": 1, "new": 1, "events": 1}


@pytest.mark.parametrize(
    ("query", "headers", "content", "status", "rule"),
    [
        ("resource=reps", CSV, b"", 422, "empty_file"),
        ("resource=reps", CSV, b"name,slots_per_week\n", 422, "missing_column"),
        ("resource=reps", CSV, (page(3_000) + 'X,"open\n').encode(), 422, "open_quote"),
        ("resource=reps", CSV, b"PK\x03\x04", 422, "not_csv"),
        ("resource=cars", CSV, b"a\n", 422, "invalid"),
        ("", CSV, b"a\n", 422, "invalid"),
        ("resource=reps&dryrun=true", CSV, b"a\n", 422, "invalid"),
        ("resource=reps", {"Content-Type": "text/csv; charset=latin-1"}, b"a\n", 422, "invalid"),
        ("resource=reps", {"Content-Type": "application/json"}, b"{}", 415, "media_type"),
        ("resource=reps", {"Content-Type": "multipart/form-data"}, b"x", 400, "malformed"),
    ],
)
async def test_what_cannot_be_taken_is_refused_at_once(
    rig: Rig, client: httpx.AsyncClient, query: str, headers: dict[str, str], content: bytes, status: int, rule: str
) -> None:
    answer = await client.post(f"/v1/imports?{query}", content=content, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{rule}"), answer.text
    assert (await count(rig, ImportJobRow), await count(rig, ImportChunkRow)) == (0, 0)


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"mapping": ("m", b"")}, "file"),
        ({"file": (None, b"a,b"), "mapping": ("m", b"")}, "file"),
        ({"file": ("f", b"external_id\n"), "mapping": ("m", b"[colums]")}, "colums"),
        ({"file": ("f", b"external_id\n"), "mapping": ("m", b"constants.nme = 'x'")}, "constants.nme"),
        ({"file": ("f", b"external_id\n"), "mapping": ("m", b"join.name={file='n',on='a',take='b'}")}, "n"),
    ],
)
async def test_a_wrong_form_is_refused_by_its_part(rig: Rig, client: httpx.AsyncClient, files: Any, named: str) -> None:
    answer = await client.post("/v1/imports?resource=reps", files=files)
    assert answer.status_code == 422
    assert named in [error["field"] for error in answer.json()["errors"]]


async def test_only_the_department_imports_and_reads_refused_rows(rig: Rig, client: httpx.AsyncClient) -> None:
    job = await post(client, page(1))
    viewer, nobody = rig.client("viewer"), rig.client()
    assert (await nobody.post("/v1/imports?resource=reps", content=page(1), headers=CSV)).status_code == 401
    assert (await viewer.post("/v1/imports?resource=reps", content=page(1), headers=CSV)).status_code == 403
    assert (await viewer.get(f"/v1/imports/{job['id']}")).status_code == 200
    assert (await viewer.get(f"/v1/imports/{job['id']}/errors.csv")).status_code == 403


async def test_an_idempotency_key_means_the_same_here(rig: Rig, client: httpx.AsyncClient) -> None:
    headers = {**CSV, "Idempotency-Key": "k1"}
    first = await client.post("/v1/imports?resource=reps", content=page(1), headers=headers)
    again = await client.post("/v1/imports?resource=reps", content=page(1), headers=headers)
    other = await client.post("/v1/imports?resource=reps", content=page(2), headers=headers)
    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 422)
    assert again.headers["idempotency-replayed"] == "true"
    assert first.json() == again.json()


async def test_imports_are_listed_page_by_page(rig: Rig, client: httpx.AsyncClient) -> None:
    jobs = [(await post(client, page(n)))["id"] for n in (1, 2, 3)]
    await run_open_jobs(rig.database, IMPORTERS)
    await post(client, page(4))
    first = (await client.get("/v1/imports?limit=2&status=finished")).json()
    second = (await client.get(f"/v1/imports?limit=2&status=finished&cursor={first['next_cursor']}")).json()
    assert [item["id"] for item in first["items"] + second["items"]] == jobs
    assert second["next_cursor"] is None
    for wrong in ("status=lost", "external_id=1", "colour=red", "limit=501"):
        assert (await client.get(f"/v1/imports?{wrong}")).status_code == 422
    for unknown in ("", "/errors.csv"):
        answer = await client.get(f"/v1/imports/00000000-0000-7000-8000-000000000000{unknown}")
        assert answer.status_code == 404


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


async def test_a_large_file_comes_and_goes_in_pieces(rig: Rig, client: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield HEAD.encode()
        for number in range(30):
            yield "".join(f"R-{number}-{n},{'x' * 990} {number}-{n},\n" for n in range(100)).encode()

    answer = await client.post("/v1/imports?resource=reps", content=pieces(), headers=CSV)
    assert answer.json()["rows"] == 3_000
    async with rig.database.reading() as session:
        longest = await session.scalar(select(func.max(func.length(ImportChunkRow.content))))
        assert longest == store.CHUNK
        assert await session.scalar(text("SELECT count(*) FROM import_chunk")) == 3
    assert (await finished(rig, client, answer.json()))["new"] == 3_000


async def test_the_api_describes_itself(rig: Rig) -> None:
    paths = (await rig.client().get("/openapi.json")).json()["paths"]
    assert set(paths["/v1/imports"]["post"]["requestBody"]["content"]) == {"text/csv", "multipart/form-data"}
    assert "/v1/imports/{import_id}/errors.csv" in paths
