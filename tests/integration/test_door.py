"""The door every write goes through, on a tiny service with one table."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, Query
from sqlalchemy import CheckConstraint, MetaData, select, text
from sqlalchemy.orm import Mapped, mapped_column
from starlette.responses import Response

from shared.auth import COOKIE, Role
from shared.contracts.marketing import LeadErased
from shared.database import NAMING, Database, Record, Table
from shared.errors import Refused
from shared.http.app import create_app
from shared.http.bodies import Answer, Dated, Key, Priced, Text
from shared.http.door import Door, Now, Reading, Tx, allowed, resource
from shared.http.paging import ListQuery, Page, filtered, page
from shared.ids import new_id
from shared.messaging.outbox import plumbing
from shared.money import Money
from shared.service import Runtime, Service
from shared.settings import Settings
from shared.worker import observe_outbox
from tests.support.engines import Engines
from tests.support.rig import keys, token


class Base(Table):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMING)


class Note(Record, Base):
    __tablename__ = "note"
    __table_args__ = (CheckConstraint("name <> 'late'", name="late"),)

    name: Mapped[str]
    external_id: Mapped[str | None] = mapped_column(unique=True)
    amount: Mapped[int | None]


class NoteIn(Dated, Priced):
    money: ClassVar[tuple[str, ...]] = ("price",)
    name: Text
    external_id: Key | None = None
    price: Money | None = None


class NoteOut(Answer):
    id: UUID
    name: str


class Notes(ListQuery):
    name: str | None = None


router = APIRouter(prefix="/v1", route_class=Door)


@router.post("/notes", dependencies=[allowed(Role.MARKETING)])
async def create(body: NoteIn, tx: Tx, now: Now) -> Response:
    row = Note(id=new_id(), name=body.name, external_id=body.external_id, amount=body.price and body.price.amount)
    tx.add(row)
    tx.announce(LeadErased(lead_id=row.id), journey=row.id, at=body.when(now))
    await tx.session.flush()
    if body.name == "refuse":
        raise Refused("No such name", rule="no_such_name", missing=["a better name"])
    if body.name == "return":
        return Response(status_code=409)
    if body.name == "slow":
        await asyncio.sleep(0.3)
    return resource(NoteOut.model_validate(row), version=row.version, status=201)


@router.patch("/notes/{note_id}", dependencies=[allowed(Role.MARKETING)])
async def rename(note_id: UUID, body: NoteIn, tx: Tx) -> Response:
    row = await tx.lock(Note, note_id)
    row.name = body.name
    await tx.session.flush()
    return resource(NoteOut.model_validate(row), version=row.version)


@router.get("/notes")
async def notes(session: Reading, given: Annotated[Notes, Query()]) -> Page[NoteOut]:
    rows, cursor = await page(session, filtered(select(Note), Note, given), Note, given)
    return Page(items=[NoteOut.model_validate(row) for row in rows], next_cursor=cursor)


class Desk:
    def __init__(self, runtime: Runtime, client: httpx.AsyncClient) -> None:
        self.runtime, self.database, self.client = runtime, runtime.database, client

    async def count(self, table: str) -> int:
        async with self.database.reading() as session:
            return int(await session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


@pytest.fixture(scope="module")
async def house(engines: Engines) -> AsyncIterator[Desk]:
    url = engines.create_database("door")
    database = Database(url, source="/marketing", topic="t", pool_size=4)
    async with database.engine.begin() as connection:
        await connection.run_sync(plumbing.create_all)
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE 'late' USING errcode = '23514'; END $$"
            )
        )
        await connection.execute(
            text(
                "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON note DEFERRABLE INITIALLY DEFERRED "
                "FOR EACH ROW WHEN (new.name = 'deferred') EXECUTE FUNCTION refuse()"
            )
        )
    service = Service("marketing", "Notes", "", Path(__file__).parent, Base.metadata, [router])
    runtime = Runtime(Settings(service="marketing"), database, keys())
    app = create_app(service, runtime)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {token('marketing')}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        yield Desk(runtime, client)
    await database.close()
    engines.drop_database(url)


@pytest.fixture
async def desk(house: Desk) -> Desk:
    async with house.database.transaction() as tx:
        await tx.session.execute(text("TRUNCATE note, outbox, outbox_stream, idempotency_key"))
    return house


async def test_a_write_and_its_event_are_one(desk: Desk) -> None:
    response = await desk.client.post("/v1/notes", json={"name": "a"})
    assert (response.status_code, response.headers["etag"]) == (201, '"1"')
    assert (await desk.count("note"), await desk.count("outbox")) == (1, 1)


@pytest.mark.parametrize("name", ["refuse", "return"])
async def test_a_refusal_leaves_everything_as_it_was(desk: Desk, name: str) -> None:
    response = await desk.client.post("/v1/notes", json={"name": name}, headers={"Idempotency-Key": "k"})
    assert response.status_code == 409
    assert [await desk.count(t) for t in ("note", "outbox", "idempotency_key")] == [0, 0, 0]


async def test_a_refusal_names_its_rule_and_what_is_missing(desk: Desk) -> None:
    response = await desk.client.post("/v1/notes", json={"name": "refuse"})
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["type"], problem["status"], problem["missing"]) == (
        "/problems/no_such_name",
        409,
        ["a better name"],
    )


@pytest.mark.parametrize("name", ["deferred", "late"])
async def test_what_fails_at_commit_is_no_success(desk: Desk, name: str) -> None:
    response = await desk.client.post("/v1/notes", json={"name": name})
    assert response.status_code >= 400
    assert (await desk.count("note"), await desk.count("outbox")) == (0, 0)


async def test_the_same_key_and_body_get_the_first_answer_again(desk: Desk) -> None:
    send: dict[str, Any] = {"json": {"name": "a"}, "headers": {"Idempotency-Key": "k"}}
    first = await desk.client.post("/v1/notes", **send)
    again = await desk.client.post("/v1/notes", **send)
    assert (again.status_code, again.json(), again.headers["etag"]) == (201, first.json(), first.headers["etag"])
    assert again.headers["idempotency-replayed"] == "true"
    assert await desk.count("note") == 1


async def test_the_same_key_with_another_body_is_refused(desk: Desk) -> None:
    key = {"Idempotency-Key": "k"}
    await desk.client.post("/v1/notes", json={"name": "a"}, headers=key)
    response = await desk.client.post("/v1/notes", json={"name": "b"}, headers=key)
    assert (response.status_code, response.json()["type"]) == (422, "/problems/idempotency_key_reused")


async def test_the_same_key_at_the_same_moment_acts_once(desk: Desk) -> None:
    send: dict[str, Any] = {"json": {"name": "slow"}, "headers": {"Idempotency-Key": "k"}}
    answers = await asyncio.gather(*(desk.client.post("/v1/notes", **send) for _ in range(4)))
    assert {a.status_code for a in answers} == {201}
    assert len({a.json()["id"] for a in answers}) == 1
    assert await desk.count("note") == 1


async def test_a_refused_call_may_be_tried_again_under_its_key(desk: Desk) -> None:
    key = {"Idempotency-Key": "k"}
    assert (await desk.client.post("/v1/notes", json={"name": "refuse"}, headers=key)).status_code == 409
    assert (await desk.client.post("/v1/notes", json={"name": "fine"}, headers=key)).status_code == 201


async def test_a_remembered_answer_is_given_to_no_lesser_role(desk: Desk) -> None:
    async def status(*roles: str, name: str = "a") -> tuple[int, str | None]:
        headers = {"Idempotency-Key": "k", "Authorization": f"Bearer {token(*roles)}"}
        answer = await desk.client.post("/v1/notes", json={"name": name}, headers=headers)
        return answer.status_code, answer.headers.get("idempotency-replayed")

    assert await status("marketing", "inside_sales") == (201, None)
    for fewer in (["viewer"], ["inside_sales"], ["marketing"], []):
        assert await status(*fewer) == (403, None), fewer
        assert await status(*fewer, name="b") == (403, None), fewer
    assert await status("inside_sales", "marketing") == (201, "true")
    assert await status("inside_sales", "marketing", "product") == (201, "true")
    assert await status("admin") == (201, "true")
    assert await desk.count("note") == 1


async def test_a_stale_etag_changes_nothing(desk: Desk) -> None:
    note = (await desk.client.post("/v1/notes", json={"name": "a"})).json()["id"]
    fresh = await desk.client.patch(f"/v1/notes/{note}", json={"name": "b"}, headers={"If-Match": '"1"'})
    stale = await desk.client.patch(f"/v1/notes/{note}", json={"name": "c"}, headers={"If-Match": '"1"'})
    assert (fresh.status_code, fresh.headers["etag"], stale.status_code) == (200, '"2"', 412)
    assert (await desk.client.get("/v1/notes")).json()["items"][0]["name"] == "b"
    odd = await desk.client.patch(f"/v1/notes/{note}", json={"name": "c"}, headers={"If-Match": "yesterday"})
    assert odd.status_code == 422


async def test_two_who_create_the_same_thing_meet_a_conflict(desk: Desk) -> None:
    bodies = [{"name": "a", "external_id": "x"}] * 3
    answers = await asyncio.gather(*(desk.client.post("/v1/notes", json=body) for body in bodies))
    assert sorted(a.status_code for a in answers) == [201, 409, 409]
    assert await desk.count("outbox") == 1


FUTURE = "2100-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"{", None),
        (b"", None),
        (b"[]", None),
        (b'"text"', None),
        (b'{"name": 5}', "name"),
        (b'{"name": ""}', "name"),
        (b'{"name": null}', "name"),
        (b'{"name": "a", "colour": "red"}', "colour"),
        (b'{"name": "a\\u0000b"}', None),
        (b'{"name": "a\\ud800b"}', None),
        (b'{"name": "' + b"x" * 1_000_000 + b'"}', "name"),
        (b'{"name": "a", "price": -1e400, "currency": "JPY"}', None),
        (b'{"name": "a", "price": NaN, "currency": "JPY"}', None),
        (b'{"name": "a", "price": 10.5, "currency": "JPY"}', None),
        (b'{"name": "a", "price": 10.555, "currency": "USD"}', None),
        (b'{"name": "a", "price": 1e30, "currency": "USD"}', None),
        (b'{"name": "a", "price": 5, "currency": "XXQ"}', None),
        (b'{"name": "a", "price": {"amount": 10.5, "currency": "JPY"}}', "price.amount"),
        (b'{"name": "a", "price": true}', "price"),
        (f'{{"name": "a", "occurred_at": "{FUTURE}"}}'.encode(), "occurred_at"),
        (b'{"name": "a", "occurred_at": "2026-04-01T10:00:00"}', "occurred_at"),
        (b"[" * 100_000, None),
    ],
)
async def test_malformed_bodies_are_422_and_change_nothing(desk: Desk, content: bytes, field: str | None) -> None:
    response = await desk.client.post("/v1/notes", content=content, headers={"content-type": "application/json"})
    assert response.status_code in ({422, 400} if content.startswith(b"[[") else {422}), response.text[:300]
    if field:
        assert field in [error["field"] for error in response.json()["errors"]]
    assert (await desk.count("note"), await desk.count("outbox")) == (0, 0)


async def test_emoji_and_full_width_text_are_kept(desk: Desk) -> None:
    name = "株式会社Ａｏｂａ🚀 ﾊﾝｶｸ"
    response = await desk.client.post("/v1/notes", json={"name": name})
    assert response.json()["name"] == name


async def test_money_is_taken_in_both_shapes(desk: Desk) -> None:
    for price in (2000.5, "2000.5", {"amount": 200050, "currency": "USD"}):
        response = await desk.client.post("/v1/notes", json={"name": "a", "price": price, "currency": "USD"})
        assert response.status_code == 201, response.text
    async with desk.database.reading() as session:
        assert {n for (n,) in await session.execute(text("SELECT amount FROM note"))} == {200050}


async def test_a_body_beyond_the_bound_is_413(desk: Desk) -> None:
    response = await desk.client.post("/v1/notes", content=b"x" * (3 << 20))
    assert response.status_code == 413


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("limit=501", "limit"),
        ("limit=0", "limit"),
        ("colour=red", "colour"),
        ("cursor=nonsense", "cursor"),
        ("cursor=%F0%9F%9A%80", "cursor"),
        ("sort=name", "sort"),
        ("name=a%00b", "path"),
        ("created_at_from=2026-04-01", "created_at_from"),
    ],
)
async def test_malformed_queries_are_422(desk: Desk, path: str, field: str) -> None:
    response = await desk.client.get(f"/v1/notes?{path}")
    assert response.status_code == 422, response.text
    assert field in [error["field"] for error in response.json()["errors"]]


async def test_a_list_is_stable_while_rows_are_written(desk: Desk) -> None:
    for number in range(7):
        await desk.client.post("/v1/notes", json={"name": f"n{number}"})
    seen, cursor = [], ""
    while True:
        found = (await desk.client.get(f"/v1/notes?limit=2&sort=-created_at{cursor}")).json()
        seen += [item["name"] for item in found["items"]]
        await desk.client.post("/v1/notes", json={"name": "new"})
        if found["next_cursor"] is None:
            break
        cursor = f"&cursor={found['next_cursor']}"
    assert seen == [f"n{number}" for number in reversed(range(7))]


async def test_who_may_and_who_may_not(desk: Desk) -> None:
    async def status(authorization: str | None, cookie: str | None = None, origin: str | None = None) -> int:
        headers = {k: v for k, v in {"Authorization": authorization, "Origin": origin}.items() if v}
        headers |= {"Cookie": f"{COOKIE}={cookie}"} if cookie else {}
        request = httpx.Request("POST", "http://test/v1/notes", json={"name": "a"}, headers=headers)
        return (await desk.client._transport.handle_async_request(request)).status_code

    good = token("marketing")
    expired = keys().issue("x", ["marketing"], timedelta(seconds=-5))
    head, body, signature = good.split(".")
    assert await status(None) == 401
    assert await status("Bearer nonsense") == 401
    assert await status(f"Bearer {expired}") == 401
    assert await status(f"Bearer {head}.{body}.{signature[:-4]}AAAA") == 401
    assert await status(f"Bearer {token('viewer')}") == 403
    assert await status(f"Bearer {token('inside_sales', 'marketing')}") == 201
    assert await status(f"Bearer {token('admin')}") == 201
    assert await status(None, cookie=good) == 403
    assert await status(None, cookie=good, origin="http://evil.example") == 403
    assert await status(None, cookie=good, origin="http://test") == 201


async def test_unknown_paths_and_methods_are_problems(desk: Desk) -> None:
    for method, path, code in [
        ("GET", "/v1/nothing", 404),
        ("DELETE", "/v1/notes", 405),
        ("PATCH", "/v1/notes/x", 422),
    ]:
        response = await desk.client.request(method, path, json={"name": "a"})
        assert (response.status_code, response.headers["content-type"]) == (code, "application/problem+json")
    missing = await desk.client.patch(f"/v1/notes/{new_id()}", json={"name": "a"})
    assert (missing.status_code, missing.json()["type"]) == (404, "/problems/not_found")


async def test_open_paths_need_no_token(desk: Desk) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"):
        assert (await desk.client.get(path, headers={"Authorization": ""})).status_code == 200, path


async def test_nothing_more_is_taken_in_while_too_much_waits_unsent(desk: Desk) -> None:
    begun = await desk.client.post("/v1/notes", json={"name": "a"})
    async with desk.database.transaction() as tx:
        await tx.session.execute(text("UPDATE outbox SET created_at = now() - interval '61 seconds'"))
    await observe_outbox(desk.runtime)
    for method, path in (("POST", "/v1/notes"), ("PATCH", f"/v1/notes/{begun.json()['id']}")):
        refused = await desk.client.request(method, path, json={"name": "b"})
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/overloaded")
        assert refused.headers["Retry-After"] == "5"
        assert "1 events, the oldest 61 s old, wait" in refused.json()["detail"]
    assert [note["name"] for note in (await desk.client.get("/v1/notes")).json()["items"]] == ["a"]
    assert "themodel_outbox_oldest_unsent_seconds 61." in (await desk.client.get("/metrics")).text
    async with desk.database.transaction() as tx:
        await tx.session.execute(text("DELETE FROM outbox"))
    await observe_outbox(desk.runtime)
    assert (await desk.client.post("/v1/notes", json={"name": "b"})).status_code == 201


async def test_too_many_unsent_are_as_bad_as_too_old_ones(desk: Desk) -> None:
    desk.runtime.health.outbox_rows = desk.runtime.settings.outbox_limit_rows + 1
    assert (await desk.client.post("/v1/notes", json={"name": "b"})).status_code == 503
    await observe_outbox(desk.runtime)
    assert (await desk.client.post("/v1/notes", json={"name": "b"})).status_code == 201


async def test_the_documentation_asks_no_other_host(desk: Desk) -> None:
    page_text = (await desk.client.get("/docs")).text
    assert "http://" not in page_text
    assert "https://" not in page_text
