"""The pages of the four departments: each one looks right, and its handoff can be done on it without JavaScript."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from services.customer_success.app import SERVICE as CUSTOMER_SUCCESS
from services.field_sales.app import SERVICE as FIELD_SALES
from services.inside_sales.app import SERVICE as INSIDE_SALES
from services.marketing.app import SERVICE as MARKETING
from shared import clock
from shared.contracts.field_sales import DealWon, Promise
from shared.contracts.inside_sales import AppointmentSet, SqlAccepted
from shared.contracts.marketing import AccountCreated, MqlCreated
from shared.ids import new_id
from shared.money import Money
from tests.browser.looks import LANGUAGES, looks_right
from tests.support.engines import Engines
from tests.support.rig import Rig
from tests.support.site import Site, serving

pytestmark = pytest.mark.browser

LONG_NAME = "株式会社みなとみらい総合情報システムサービス東日本支社"
YEN = Money(amount=1_250_000, currency="JPY")


@pytest.fixture(scope="module")
def marketing(engines: Engines) -> Iterator[Site]:
    with serving(MARKETING, engines) as site:
        with site.client("marketing") as client:
            for number, name in enumerate(("青木 さくら", "Alexandra Featherstonehaugh", "田中 一郎")):
                person = {"name": name, "email": f"a{number}@example.jp", "company": LONG_NAME, "channel": "webinar"}
                assert client.post("/v1/leads", json={**person, "segment": "enterprise"}).status_code == 201
        yield site


async def mqls(rig: Rig) -> None:
    account = new_id()
    await rig.deliver(AccountCreated(account_id=account, account_name=LONG_NAME), account)
    for minutes in (2, 400):
        lead, at = new_id(), clock.utc_now() - timedelta(minutes=minutes)
        mql = MqlCreated(lead_id=lead, cycle=1, score=70, account_id=account, channel="web", segment="SMB")
        await rig.deliver(mql, lead, at=at, recorded=at)


@pytest.fixture(scope="module")
def inside_sales(engines: Engines) -> Iterator[Site]:
    with serving(INSIDE_SALES, engines) as site:
        site.tell(mqls)
        yield site


async def sqls(rig: Rig) -> None:
    account = new_id()
    await rig.deliver(AccountCreated(account_id=account, account_name=LONG_NAME), account)
    for _ in range(3):
        lead, opportunity = new_id(), new_id()
        told = {"lead_id": lead, "cycle": 1, "opportunity_id": opportunity}
        sql = SqlAccepted.model_validate({**told, "account_id": account, "budget": "planned", "expected_mrr": YEN})
        await rig.deliver(sql, lead)
        start = clock.utc_now() + timedelta(days=2)
        meeting = {**told, "appointment_id": new_id(), "start_at": start, "rep": "suzuki"}
        await rig.deliver(AppointmentSet.model_validate(meeting), lead)


@pytest.fixture(scope="module")
def field_sales(engines: Engines) -> Iterator[Site]:
    with serving(FIELD_SALES, engines) as site:
        site.tell(sqls)
        yield site


async def deals(rig: Rig) -> None:
    for _ in range(2):
        opportunity, account = new_id(), new_id()
        won = DealWon(
            opportunity_id=opportunity,
            account_id=account,
            contract_id=new_id(),
            account_name=LONG_NAME,
            mrr=YEN,
            term_months=12,
            starts_on=clock.utc_now().date(),
            promises=(Promise(number=1, text="4月末までに初期設定を終える"),),
        )
        await rig.deliver(won, opportunity)


@pytest.fixture(scope="module")
def customer_success(engines: Engines) -> Iterator[Site]:
    with serving(CUSTOMER_SUCCESS, engines) as site:
        site.tell(deals)
        yield site


def first(site: Site, source: str, key: str = "id") -> str:
    with site.client("viewer") as client:
        found: str = client.get(source).json()["items"][0][key]
    return found


@contextmanager
def plain(browser: Browser, site: Site, role: str) -> Iterator[Page]:
    """A page without JavaScript, in English, signed in."""
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto(site.sign_in_link(role, user="sato"))
    yield page
    context.close()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("name", "lists"),
    [
        ("marketing", [("leads", "id", "new")]),
        ("inside_sales", [("queue", "", ""), ("prospects", "lead_id", "")]),
        ("field_sales", [("opportunities", "id", "new")]),
        ("customer_success", [("customers", "id", ""), ("contracts", "id", "")]),
    ],
)
def test_every_page_of_a_department_looks_right(
    page: Page, request: pytest.FixtureRequest, name: str, lists: list[tuple[str, str, str]], language: str
) -> None:
    site: Site = request.getfixturevalue(name)
    page.goto(f"{site.address}/sign-in?lang={language}")
    page.goto(site.sign_in_link(name))
    for listed, key, new in lists:
        paths = [f"/{listed}", *([f"/{listed}/{first(site, f'/v1/{listed}', key)}"] if key else [])]
        for path in [*paths, *([f"/{listed}/{new}"] if new else [])]:
            page.goto(f"{site.address}{path}")
            looks_right(page, language)
            assert page.get_by_role("alert").count() == 0


def test_marketing_captures_and_declares_an_mql(browser: Browser, marketing: Site) -> None:
    with plain(browser, marketing, "marketing") as page:
        page.get_by_role("link", name="Capture a lead").click()
        page.get_by_label("E-mail").fill("naomi@example.jp")
        page.get_by_label("Name", exact=True).fill("Naomi Kato")
        page.get_by_role("button", name="Capture a lead").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Naomi Kato")
        page.get_by_role("button", name="Declare an MQL").click()
        expect(page.get_by_role("alert")).to_contain_text("The transition criteria are not met")
        page.get_by_label("Reason, where the criteria do not hold").fill("asked for a call")
        page.get_by_role("button", name="Declare an MQL").click()
        expect(page.get_by_role("status")).to_have_text("Done: Declare an MQL.")
        expect(page.get_by_role("row").filter(has_text="Naomi Kato")).to_contain_text("MQL, waiting")


def test_inside_sales_takes_the_next_lead_and_accepts_it(browser: Browser, inside_sales: Site) -> None:
    with plain(browser, inside_sales, "inside_sales") as page:
        expect(page.get_by_role("row").filter(has_text=LONG_NAME)).to_have_count(2)
        page.get_by_role("button", name="Claim the next lead").click()
        page.get_by_role("button", name="Accept", exact=True).click()
        expect(page.get_by_role("status")).to_have_text("Done: Accept.")
        page.get_by_role("link", name="All prospects").click()
        row = page.get_by_role("row").filter(has_text="sato")
        expect(row).to_contain_text("Accepted")
        row.get_by_role("link", name="Hand over to field sales").click()
        page.get_by_role("button", name="Hand over to field sales").click()
        expect(page.get_by_role("alert")).to_contain_text("The transition criteria are not met")
        expect(page.get_by_role("alert")).to_contain_text("Budget")
        page.get_by_label("Kind").select_option("Call")
        page.get_by_role("button", name="Record an activity").click()
        expect(page.get_by_role("status")).to_have_text("Done: Record an activity.")


def test_field_sales_accepts_an_sql_and_wins_it(browser: Browser, field_sales: Site) -> None:
    with plain(browser, field_sales, "field_sales") as page:
        page.get_by_role("row").filter(has_text="受け入れ待ち").or_(
            page.get_by_role("row").filter(has_text="offered")
        ).first.get_by_role("link", name="Accept as an opportunity").click()
        page.locator("#accept_sql").get_by_label("MRR").fill("980000")
        page.locator("#accept_sql").get_by_label("Expected close date").fill("2030-01-31")
        page.get_by_role("button", name="Accept as an opportunity").click()
        expect(page.get_by_role("status")).to_have_text("Done: Accept as an opportunity.")
        row = page.get_by_role("row").filter(has_text="¥980,000")
        row.get_by_role("button", name="Meeting held").click()
        expect(page.get_by_role("status")).to_have_text("Done: Meeting held.")
        page.get_by_role("row").filter(has_text="¥980,000").get_by_role("link", name="Mark as won").click()
        page.locator("#win").get_by_label("Promises").fill("Set up by the end of April\nTraining for 20 people")
        page.locator("#win").get_by_label("Contract starts on").fill("2030-02-01")
        page.locator("#win").get_by_label("Term").fill("12")
        page.get_by_role("button", name="Mark as won").click()
        expect(page.get_by_role("status")).to_have_text("Done: Mark as won.")
    with field_sales.client("viewer") as client:
        (won,) = client.get("/v1/opportunities", params={"status": "won"}).json()["items"]
        assert [promise["text"] for promise in won["promises"]] == [
            "Set up by the end of April",
            "Training for 20 people",
        ]


def test_customer_success_completes_tasks_and_changes_contracts(browser: Browser, customer_success: Site) -> None:
    with plain(browser, customer_success, "customer_success") as page:
        page.get_by_role("link", name=LONG_NAME).first.click()
        task = page.get_by_label("Task required")
        task.wait_for()  # counting does not wait for the page
        before = task.locator("option").count()
        task.select_option(index=1)
        page.get_by_role("button", name="Complete a task").click()
        page.get_by_role("link", name=LONG_NAME).first.click()
        customer = page.url
        page.get_by_role("link", name="Contracts").click()
        page.get_by_role("link", name="Change the MRR").first.click()
        page.locator("#change_contract").get_by_label("MRR").fill("1500000")
        page.locator("#change_contract").get_by_label("Reason").select_option("Upsell")
        page.get_by_role("button", name="Change the MRR").click()
        expect(page.get_by_role("status")).to_have_text("Done: Change the MRR.")
        expect(page.get_by_role("table")).to_contain_text("¥1,500,000")
    with customer_success.client("viewer") as client:
        found = client.get("/v1/customers").json()["items"]
        details = [client.get(f"/v1/customers/{one['id']}").json() for one in found]
        done = [task for one in details for task in one["onboarding"]["tasks"] if task["completed_at"]]
        assert [task["completed_by"] for task in done] == ["sato"]
        assert len(details[0]["onboarding"]["tasks"]) == before - 1
        assert customer.rpartition("/")[2] in {one["id"] for one in found}


def test_a_reader_is_offered_nothing_to_change(browser: Browser, field_sales: Site) -> None:
    with plain(browser, field_sales, "viewer") as page:
        expect(page.get_by_role("table")).to_be_visible()
        assert page.locator("main form[method=post]").count() == 0
        assert page.get_by_role("link", name="Mark as won").count() == 0
