"""The routes of declared pages: a list, a record with its acts, a form for something new."""

import json
import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from shared.auth import authenticate
from shared.errors import NotFound
from shared.http.problems import MEDIA_TYPE
from shared.web.forms import call, read, target
from shared.web.lists import Act, Ask, Column, Field, ListPage
from shared.web.problem_pages import refusal
from shared.web.render import local, redirect, render, words_of

CONTROLS = frozenset({"lang", "cursor"})


class PageRoute(APIRoute):
    """Authenticates and opens no transaction: pages reach the database only through the API's own door."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint = super().get_route_handler()

        async def through(request: Request) -> Response:
            request.state.user = authenticate(request, request.app.state.runtime.keys)
            return await endpoint(request)

        return through


def pages_router(pages: Sequence[ListPage], *, front: str | None = None) -> APIRouter:
    """All of a service's pages; its `/` is the first of them, or `front` where the service has a page of its own."""
    router = APIRouter(include_in_schema=False, route_class=PageRoute)
    if front is None:

        @router.get("/")
        async def first() -> Response:
            return redirect(pages[0].path)

    for page in pages:
        _Routes(page, tuple(pages)).add(router)
    return router


class _Routes:
    def __init__(self, page: ListPage, pages: tuple[ListPage, ...]) -> None:
        self._page = page
        self._pages = pages

    def add(self, router: APIRouter) -> None:
        path = self._page.path
        router.add_api_route(path, self.overview, methods=["GET"])
        if self._page.creates:
            router.add_api_route(f"{path}/new", self.new, methods=["GET"])
            router.add_api_route(f"{path}/new/{{act}}", self.create, methods=["POST"])
        router.add_api_route(f"{path}/{{record_id}}", self.record, methods=["GET"])
        router.add_api_route(f"{path}/{{record_id}}/{{act}}", self.act, methods=["POST"])

    async def overview(self, request: Request) -> Response:
        page = self._page
        chosen = {
            name: value
            for name, value in request.query_params.items()
            if value and name in {field.name for field in page.filters}
        }
        cursor = request.query_params.get("cursor")
        query = {"limit": str(page.limit), "sort": page.sort, "cursor": cursor, **chosen, **page.fixed}
        given = {name: value for name, value in query.items() if value}
        answer = await call(request, "GET", page.source, params=given)
        problem = refusal(words_of(request), answer.json()) if answer.is_error else None
        found = {"items": [], "next_cursor": None} if problem else answer.json()
        following = {**chosen, "cursor": found["next_cursor"]}
        return self._render(
            request,
            "list.html",
            200 if problem is None else answer.status_code,
            items=found["items"],
            chosen=chosen,
            next_page=f"{page.path}?{urlencode(following)}" if found["next_cursor"] else None,
            back=f"{page.path}?{urlencode(chosen)}" if chosen else page.path,
            problem=problem,
            **await self._coded(request, page.filters),
        )

    async def record(self, request: Request, record_id: str) -> Response:
        return await self._record(request, record_id)

    async def new(self, request: Request) -> Response:
        return await self._new(request)

    async def act(self, request: Request, record_id: str, act: str) -> Response:
        return await self._do(request, self._page.acts, act, record_id)

    async def create(self, request: Request, act: str) -> Response:
        return await self._do(request, self._page.creates, act, "")

    async def _do(self, request: Request, among: Sequence[Act], name: str, record_id: str) -> Response:
        """Run the act; then back to where the person came from, or the form again with what was refused and why."""
        act = next((found for found in among if found.name == name), None)
        if act is None:
            raise NotFound("No act has this name")
        form = {key: value for key, value in (await request.form()).items() if isinstance(value, str)}
        path, body = target(act, record_id, read(form, act.fields, words_of(request).zone))
        headers = {"idempotency-key": f"page {form.get('_once') or secrets.token_urlsafe(12)}"}
        if form.get("_version"):
            headers["if-match"] = form["_version"]
        answer = await call(request, act.method, path, json=body, headers=headers)
        if not answer.is_error:
            made = answer.json().get(self._page.key) if among is self._page.creates else None
            after = f"{self._page.path}/{made}" if made else self._page.path
            return redirect(local(form["_back"]) if form.get("_back") else after, flash=act.name)
        refused = {"act": act.name, "typed": form, **refusal(words_of(request), _problem(answer))}
        if among is self._page.creates:
            return await self._new(request, answer.status_code, refused)
        return await self._record(request, record_id, answer.status_code, refused)

    async def _record(
        self, request: Request, record_id: str, status: int = 200, refused: Mapping[str, Any] | None = None
    ) -> Response:
        page = self._page
        answer = await call(request, "GET", f"{page.records or page.source}/{quote(record_id, safe=':')}")
        if answer.is_error:
            return _pass_on(answer)
        item = answer.json()
        offered = self._offered(request, item)
        return self._render(
            request,
            "record.html",
            status,
            item=item,
            version=answer.headers.get("etag", ""),
            offered=offered,
            refused=refused,
            **await self._coded(request, [field for act in offered for field in act.fields], item),
        )

    async def _new(self, request: Request, status: int = 200, refused: Mapping[str, Any] | None = None) -> Response:
        offered = [act for act in self._page.creates if act.offered(request.state.user, {}, "")]
        coded = await self._coded(request, [field for act in offered for field in act.fields])
        return self._render(request, "new.html", status, offered=offered, refused=refused, **coded)

    def _offered(self, request: Request, item: Mapping[str, Any]) -> list[Act]:
        return [act for act in self._page.acts if act.offered(request.state.user, item, self._page.state)]

    async def _coded(
        self, request: Request, fields: Sequence[Field], item: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The words for codes: `choices` of a field (without any, it is typed), and `label` for what a column shows."""
        words, lists = words_of(request), await self._reasons(request, fields)

        def choices(field: Field) -> list[tuple[str, str]]:
            if field.among is not None:
                return field.among(item or {}, words)
            if field.reasons:
                return list(lists.get(field.reasons, {}).items())
            codes = field.options or (("yes", "no") if field.ask is Ask.YES_NO else ())
            return [(code, words.code(f"values.{field.name}", code)) for code in codes]

        def label(column: Column, code: Any) -> str:
            for name in column.reasons:
                if code in lists.get(name, {}):
                    return lists[name][code]
            return words.code(f"values.{column.name}", code)

        return {"choices": choices, "label": label}

    async def _reasons(self, request: Request, fields: Sequence[Field]) -> dict[str, dict[str, str]]:
        """The service's own lists of codes with the reader's words, where anything on the page needs them."""
        if not any(field.reasons for field in fields) and not any(column.reasons for column in self._page.columns):
            return {}
        found = (await call(request, "GET", "/v1/reasons")).raise_for_status().json()
        language = words_of(request).language
        return {name: {one["code"]: one[language] for one in listed} for name, listed in found.items()}

    def _render(self, request: Request, template: str, status: int, **context: Any) -> Response:
        return render(
            request,
            template,
            status=status,
            page=self._page,
            pages=self._pages,
            here=self._page.name,
            once=lambda: secrets.token_urlsafe(12),
            offers=lambda item: self._offered(request, item),
            creates=[act for act in self._page.creates if act.offered(request.state.user, {}, "")],
            **context,
        )


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = answer.json()
    except json.JSONDecodeError:
        return {"title": answer.reason_phrase}
    return found


def _pass_on(answer: httpx.Response) -> Response:
    """A problem of the API as the page's own: shown as a problem page."""
    return Response(answer.content, answer.status_code, media_type=MEDIA_TYPE)
