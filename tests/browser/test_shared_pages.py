"""The pages every service shares, on a service that only gives feedback."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.looks import LANGUAGES, looks_right
from tests.support.engines import Engines
from tests.support.feedback_services import CUSTOMER_SUCCESS, tiny_service
from tests.support.site import Site, serving

pytestmark = pytest.mark.browser

TEXTS = (
    "事例の資料が古く、初回商談でお客様に指摘されました。業種別のものが必要です。",
    "Customers in manufacturing keep asking for an export of the weekly usage report, with the plant as a column.",
)


@pytest.fixture(scope="module")
def site(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("tiny")
    with serving(tiny_service("customer_success", CUSTOMER_SUCCESS, folder), engines) as site:
        with site.client("customer_success") as client:
            for text in TEXTS:
                wish = {"to": "product", "kind": "product", "text": text, "severity": "urgent"}
                assert client.post("/v1/feedback", json=wish).status_code == 201
        yield site


def first_item(site: Site) -> str:
    with site.client("viewer") as client:
        found: str = client.get("/v1/feedback").json()["items"][0]["id"]
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_looks_right(page: Page, site: Site, language: str) -> None:
    page.goto(f"{site.address}/sign-in?lang={language}")
    looks_right(page, language)
    page.goto(site.sign_in_link("product"))
    for path in (
        "/feedback-in",
        "/feedback-in?kind=praise",
        "/feedback-out",
        "/feedback-out/new",
        f"/feedback-in/{first_item(site)}",
        "/problems/stale",
        "/nowhere",
        "/feedback-in?state=given",
    ):
        page.goto(f"{site.address}{path}")
        looks_right(page, language)


def test_signing_in_and_out_leaves_no_token_in_the_address(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/feedback-in?kind=product")
    expect(page).to_have_url(f"{site.address}/sign-in?next=/feedback-in%3Fkind%3Dproduct")
    page.get_by_label("Token").fill("nonsense")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be used")
    page.get_by_label("Token").fill(site.sign_in_link("product").partition("token=")[2])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{site.address}/feedback-in?kind=product")
    page.goto(site.sign_in_link("product", user="ken"))
    assert "token" not in page.url
    expect(page.get_by_text("ken")).to_be_visible()
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{site.address}/feedback-in")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_feedback_goes_its_way_without_javascript(browser: Browser, site: Site) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto(site.sign_in_link("customer_success", "product"))
    page.get_by_role("link", name="Feedback given").click()
    page.get_by_role("link", name="Give feedback").click()
    page.get_by_label("To required").select_option("product")
    page.get_by_label("Kind required").select_option("Product request")
    page.get_by_label("Text").fill("a calendar of renewals")
    page.get_by_role("button", name="Give feedback").click()
    expect(page.get_by_role("status")).to_have_text("Done: Give feedback.")

    page.get_by_role("link", name="Feedback received").click()
    row = page.get_by_role("row").filter(has_text="a calendar of renewals")
    row.get_by_role("link", name="Accept or decline").click()
    page.get_by_label("Accept it? required").select_option("Decline")
    page.get_by_role("button", name="Accept or decline").click()
    expect(page.get_by_role("alert")).to_contain_text("A reason is needed")
    expect(page.get_by_label("Accept it? required")).to_have_value("no")
    page.get_by_label("Reason").fill("next year")
    page.get_by_role("button", name="Accept or decline").click()
    expect(page.get_by_role("status")).to_have_text("Done: Accept or decline.")
    expect(page.get_by_role("row").filter(has_text="a calendar of renewals")).to_contain_text("Declined")
    context.close()
