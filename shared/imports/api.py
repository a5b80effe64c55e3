"""Files in over HTTP: `POST /v1/imports`, progress, and the refused rows; plugged into a service as `Imports`."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Annotated, Literal
from uuid import UUID

import structlog
from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import select
from starlette.responses import Response, StreamingResponse

from shared import clock
from shared.auth import Role, authenticate
from shared.database import Transaction
from shared.errors import Invalid, NotFound
from shared.http.bodies import Answer
from shared.http.door import Door, Endpoint, Reading, Who, allowed
from shared.http.idempotency import Claim
from shared.http.paging import ListQuery, Page, filtered, page
from shared.ids import new_id
from shared.imports import store
from shared.imports.importer import ImportContext, Importer
from shared.imports.jobs import run_open_jobs
from shared.imports.report import ERRORS_HEAD, Counts, errors_csv
from shared.imports.resource import Resource
from shared.imports.tables import ImportJobRow
from shared.imports.uploads import Survey, Upload, bounded, received, survey
from shared.service import Runtime
from shared.sqlerrors import transient

log = structlog.get_logger()

POLL_SECONDS = 1.0
FORGET_SECONDS = 3600.0
FILE = {"type": "string", "format": "binary"}
BODY = {
    "required": True,
    "content": {
        "text/csv": {"schema": FILE, "example": "external_id,name\nA-1,Acme\n"},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": FILE, "mapping": {**FILE, "description": "TOML"}},
                "additionalProperties": {**FILE, "description": "a second file the mapping joins with, by its name"},
            }
        },
    },
}


class StartQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    resource: str
    dry_run: bool = Field(False, description="report what would happen and change nothing")
    again: bool = Field(False, description="import the same files anew instead of answering their earlier import")


class ImportsQuery(ListQuery):
    resource: str | None = Field(None, max_length=100)
    status: Literal["queued", "running", "finished", "failed"] | None = None
    dry_run: bool | None = None
    external_id: None = Field(None, description="imports have none")


class ImportOut(Answer):
    """`rows` are in the file, `read` of them are behind it; each read row is one of the six outcomes that follow.

    `columns` tells for each field what it was taken from; `unused_columns` are those nothing was taken from.
    """

    id: UUID
    resource: str
    status: Literal["queued", "running", "finished", "failed"]
    dry_run: bool
    user: str
    file_name: str | None
    rows: int
    read: int
    new: int
    updated: int
    unchanged: int
    skipped: int
    waiting: int
    refused: int
    events: int
    columns: dict[str, str]
    unused_columns: list[str]
    problem: dict[str, str] | None
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None


class _UploadDoor(APIRoute):
    """Who asks is checked as at every door; the transaction is the endpoint's own, for none may stand open while a
    file is on its way."""

    def get_route_handler(self) -> Endpoint:
        endpoint = super().get_route_handler()

        async def through(request: Request) -> Response:
            request.state.user = authenticate(request, request.app.state.runtime.keys)
            return await endpoint(Request(request.scope, bounded(request)))

        return through


class Imports:
    """The imports of one service: `router` for its API, `work` for its worker.

        IMPORTS = Imports([Importer(REPS, load_reps)], roles=[Role.FIELD_SALES])
        SERVICE = Service(…, routers=[…, IMPORTS.router], tasks=[IMPORTS.work])

    and `add_import_tables(Base.metadata)` in its models.
    """

    def __init__(self, importers: Sequence[Importer], *, roles: Sequence[Role]) -> None:
        self._importers = {importer.resource.name: importer for importer in importers}
        self._wake = asyncio.Event()
        self.router = APIRouter(prefix="/v1", tags=["imports"], route_class=Door)
        self.router.add_api_route(
            "/imports",
            self._start,
            methods=["POST"],
            response_model=ImportOut,
            status_code=202,
            responses={200: {"model": ImportOut, "description": "These files were imported before"}},
            dependencies=[allowed(*roles)],
            route_class_override=_UploadDoor,
            openapi_extra={"requestBody": BODY},
            name="start_import",
        )
        self.router.add_api_route("/imports", _list, response_model=Page[ImportOut], name="list_imports")
        self.router.add_api_route("/imports/{import_id}", _one, response_model=ImportOut, name="get_import")
        self.router.add_api_route(
            "/imports/{import_id}/errors.csv",
            _errors,
            response_class=StreamingResponse,
            responses={200: {"content": {"text/csv": {}}}},
            dependencies=[allowed(*roles)],
            name="get_import_errors",
        )

    async def work(self, runtime: Runtime) -> None:
        """Runs for ever: jobs as they come, whoever's API took them. An engine that is away only delays it."""
        forgot = -FORGET_SECONDS
        while True:
            self._wake.clear()
            try:
                await run_open_jobs(runtime.database, self._importers)
                if (now := asyncio.get_running_loop().time()) - forgot > FORGET_SECONDS:
                    forgot = now
                    async with runtime.database.transaction() as tx:
                        await store.forget_old_refusals(tx.session, clock.utc_now())
            except Exception as error:
                if not transient(error):
                    raise
                log.warning("imports wait", error=f"{type(error).__name__}: {error}"[:200])
            with suppress(TimeoutError):  # not wait_for: on Python 3.11 it loses a cancellation at that moment
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()

    async def _start(self, request: Request, query: Annotated[StartQuery, Query()], user: Who) -> Response:
        """Take a CSV in: as the body (`text/csv`), or as `multipart/form-data` with `file`, `mapping` (TOML) and the
        files it joins with. A file that cannot be read to its end, or that the mapping does not fit, is refused at
        once; rows are loaded by the worker, bad ones refused one by one. The same files again answer their earlier
        import and change nothing. A dry run counts exactly within each 1,000 rows."""
        resource = self._resource(query.resource)
        runtime: Runtime = request.app.state.runtime
        async with received(request) as upload:
            zone, currency = runtime.settings.zone, runtime.settings.currency
            context = ImportContext(new_id(), clock.utc_now(), zone, currency, user.subject, query.dry_run)
            found = await to_thread.run_sync(survey, upload, resource, context)
            job = _job(resource, upload, found, context)
            claim = Claim(request, user, job.fingerprint)
            async with runtime.database.transaction() as tx:
                if (earlier := await claim.take(tx.session)) is not None:
                    return earlier
                response = await self._keep(tx, job, upload, again=query.again)
                await claim.remember(tx.session, response)
            return response

    async def _keep(self, tx: Transaction, job: ImportJobRow, upload: Upload, *, again: bool) -> Response:
        same = None if again else await store.find_same(tx.session, job.fingerprint)
        if same is None:
            tx.add(job)
            await tx.session.flush()
            for name, file in {"": upload.file, **upload.joins}.items():
                await store.keep_file(tx.session, job.id, name, file)
            tx.after_commit(self._wake.set)
        told = ImportOut.model_validate(same or job)
        headers = {"Location": f"/v1/imports/{told.id}"}
        return Response(told.model_dump_json(), 200 if same else 202, headers, "application/json")

    def _resource(self, name: str) -> Resource:
        if name not in self._importers:
            raise Invalid("resource", f"one of {', '.join(self._importers)}")
        return self._importers[name].resource


def _job(resource: Resource, upload: Upload, found: Survey, context: ImportContext) -> ImportJobRow:
    return ImportJobRow(
        id=context.job_id,
        resource=resource.name,
        status="queued",
        fingerprint=found.fingerprint,
        dry_run=context.dry_run,
        user=context.user,
        file_name=upload.file_name,
        mapping=upload.mapping.decode() if upload.mapping else None,
        encoding=upload.encoding,
        timezone=context.zone.key,
        currency=context.currency,
        rows=found.rows,
        columns=found.columns,
        unused_columns=list(found.unused_columns),
        created_at=context.now,
        updated_at=context.now,
        **Counts().as_dict(),
    )


async def _list(session: Reading, query: Annotated[ImportsQuery, Query()]) -> Page[ImportOut]:
    """The imports of this service."""
    rows, cursor = await page(session, filtered(select(ImportJobRow), ImportJobRow, query), ImportJobRow, query)
    return Page(items=[ImportOut.model_validate(row) for row in rows], next_cursor=cursor)


async def _one(session: Reading, import_id: Annotated[UUID, Path()]) -> ImportOut:
    """How far an import is, and what became of its rows."""
    row = await session.get(ImportJobRow, import_id)
    if row is None:
        raise NotFound(f"Import {import_id} is not known here")
    return ImportOut.model_validate(row)


async def _errors(request: Request, import_id: Annotated[UUID, Path()]) -> Response:
    """The refused rows so far: line, column, value, rule, explanation; one line for each rule broken. Kept 90 days;
    once a person is erased in the service, without value and explanation."""
    database = request.app.state.runtime.database
    async with database.reading() as session:
        kept = await store.keeps_refusals(session, import_id, clock.utc_now())
    if not kept:
        raise NotFound(f"The refused rows of import {import_id} are not known here")

    async def lines() -> AsyncIterator[bytes]:
        yield ERRORS_HEAD.encode()
        async for refusal in store.refusals(database, import_id):
            yield errors_csv(refusal).encode()

    disposition = f'attachment; filename="errors-{import_id}.csv"'
    return StreamingResponse(
        lines(), media_type="text/csv; charset=utf-8", headers={"Content-Disposition": disposition}
    )
