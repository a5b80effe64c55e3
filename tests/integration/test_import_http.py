"""Imports at the door: what may be sent, by whom, and how jobs are read."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, text

from shared.imports import store
from shared.imports.jobs import run_open_jobs
from shared.imports.tables import ImportChunkRow, ImportJobRow
from shared.imports.uploads import LARGEST
from tests.support.import_rig import (
    CSV,
    HEAD,
    client,
    count,
    counts,
    finished,
    page,
    post,
    rig,
    url,
)
from tests.support.import_service import IMPORTERS, RepRow
from tests.support.rig import Rig

__all__ = ["client", "rig", "url"]  # fixtures


async def test_two_uploads_of_the_same_file_at_once_are_one_import(rig: Rig, client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(client.post("/v1/imports?resource=reps", content=page(50), headers=CSV) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 202]
    assert len({answer.json()["id"] for answer in answers}) == 1


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
        rep = (await session.execute(select(RepRow.external_id, RepRow.name, RepRow.slots))).one()
    assert rep == ("A1", "髙橋", 3)
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


@pytest.mark.parametrize("told", [True, False])
async def test_a_file_beyond_the_limit_is_refused(rig: Rig, client: httpx.AsyncClient, told: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(1 if told else LARGEST // (8 << 20) + 1):
            yield b"x" * (8 << 20)

    headers = {**CSV, **({"Content-Length": str(LARGEST + 1)} if told else {})}
    answer = await client.post("/v1/imports?resource=reps", content=pieces(), headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too_large")
    assert await count(rig, ImportJobRow) == 0


async def test_the_api_describes_itself(rig: Rig) -> None:
    paths = (await rig.client().get("/openapi.json")).json()["paths"]
    assert set(paths["/v1/imports"]["post"]["requestBody"]["content"]) == {"text/csv", "multipart/form-data"}
    assert "/v1/imports/{import_id}/errors.csv" in paths
