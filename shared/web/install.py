"""Puts onto a service's application what every page needs."""

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from shared.web import problem_pages, sign_in
from shared.web.render import STATIC


def install(app: FastAPI) -> None:
    app.include_router(sign_in.router)
    app.include_router(problem_pages.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(problem_pages.ProblemPages)
