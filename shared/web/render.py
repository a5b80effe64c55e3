"""Pages: Jinja templates with the words of the reader's language, under a policy that allows nothing from outside."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from shared.auth import User
from shared.settings import SERVICES, Settings
from shared.web import words as language
from shared.web.words import LANGUAGES, Words, preferred

HERE = Path(__file__).parent
STATIC = HERE / "static"
FLASH = "themodel_flash"
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser would hide the Origin our forms are checked by
    "Cache-Control": "no-store",
    "Vary": "Accept-Language, Cookie",
}


@lru_cache
def environment(folders: tuple[Path, ...]) -> Environment:
    return Environment(
        loader=FileSystemLoader(folders),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@lru_cache
def asset(name: str) -> str:
    """The address of a static file, another one when its content changes."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def words_of(request: Request) -> Words:
    """By `?lang=`, else the reader's earlier choice, else what their browser asks for."""
    settings: Settings = request.app.state.runtime.settings
    for chosen in (request.query_params.get("lang"), request.cookies.get(language.COOKIE)):
        if chosen in LANGUAGES:
            return Words(chosen, settings.zone)
    return Words(preferred(request.headers.get("accept-language", "")), settings.zone)


def render(
    request: Request, template: str, *, status: int = 200, folder: Path | None = None, **context: Any
) -> Response:
    """The page `template`, searched in `folder` first. A flash message is shown once."""
    words, settings = words_of(request), request.app.state.runtime.settings
    folders = (*([folder] if folder else []), HERE / "templates")
    flash = request.cookies.get(FLASH)
    user: User | None = getattr(request.state, "user", None)
    text = (
        environment(folders)
        .get_template(template)
        .render(
            **{"pages": (), "here": "", "live": None, **context},
            w=words,
            t=words.t,
            user=user,
            asset=asset,
            flash=_flash(words, flash),
            departments=_departments(request, settings),
            service=settings.service,
            languages=[(name, _in_language(request, name)) for name in LANGUAGES],
        )
    )
    response = HTMLResponse(text, status, HEADERS)
    if flash:
        response.delete_cookie(FLASH)
    return remembering(request, response)


def remembering(request: Request, response: Response) -> Response:
    """Keep the language that the address chose."""
    if (chosen := request.query_params.get("lang")) in LANGUAGES:
        response.set_cookie(language.COOKIE, str(chosen), max_age=31_536_000, samesite="lax", httponly=True)
    return response


def redirect(path: str, *, flash: str | None = None) -> Response:
    """See `path` with a GET; `flash` is the key of what is said there once."""
    response = Response(status_code=303, headers={"Location": path, **HEADERS})
    if flash:
        response.set_cookie(FLASH, flash, max_age=30, samesite="lax", httponly=True)
    return response


def local(path: str | None) -> str:
    """`path` where it is one of ours, else the front page: nobody is sent to another site from here."""
    if not path or not path.startswith("/") or path.startswith("//") or "\\" in path or not path.isprintable():
        return "/"
    return "/" if urlsplit(path).netloc else path


def wants_page(request_headers: MutableHeaders | Any) -> bool:
    """Whether the client asked for a page by name; a tool that takes anything gets JSON."""
    return "text/html" in request_headers.get("accept", "")


def _flash(words: Words, given: str | None) -> str | None:
    """The cookie names an act; anything else in it is not repeated."""
    known = given is not None and f"acts.{given}" in language.messages(words.language)
    return words.t("site.done", act=words.t(f"acts.{given}")) if known else None


def _departments(request: Request, settings: Settings) -> list[tuple[str, str]]:
    """The five services under the host name the reader used."""
    host = request.url.hostname or settings.host
    host = f"[{host}]" if ":" in host else host
    return [(name, f"{request.url.scheme}://{host}:{settings.port(name)}/") for name in SERVICES]


def _in_language(request: Request, name: str) -> str:
    kept = [(key, value) for key, value in request.query_params.multi_items() if key not in ("lang", "token")]
    path = request.url.path if request.method == "GET" else "/"
    return f"{path}?{urlencode([*kept, ('lang', name)])}"
