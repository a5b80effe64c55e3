"""A real Chromium, once for all tests; every page it opens is watched for requests to other hosts."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page

CHROMIUM = "/usr/bin/chromium"
pytest.register_assert_rewrite("tests.browser.looks")  # so that a failure says what was too wide


@pytest.fixture(scope="session")
def base_url() -> None:
    """In place of pytest-base-url's own, which is made in a way that pytest warns of: tests name whole addresses."""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The system's browser; none is downloaded. As root it runs without its own sandbox."""
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": ["--no-sandbox"]}


@pytest.fixture
def context(context: BrowserContext) -> Iterator[BrowserContext]:
    """Fails the test when a page asked anybody but us."""
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    yield context
    elsewhere = [url for url in asked if urlsplit(url).hostname != "127.0.0.1"]
    assert elsewhere == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()
