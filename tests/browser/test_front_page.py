"""kpi's front page: the chain of four departments in both languages, at both widths, live, and without JavaScript."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from services.kpi.app import SERVICE as KPI
from shared import clock
from shared.contracts.marketing import LeadCreated, MqlCreated
from shared.ids import new_id
from tests.browser.looks import LANGUAGES, looks_right
from tests.support.engines import Engines
from tests.support.kpi import QUARTER, records, take, worked_example
from tests.support.rig import Rig
from tests.support.site import Site, serving

pytestmark = pytest.mark.browser

PERIOD = f"?from={QUARTER['from']}&to={QUARTER['to']}&as_of={QUARTER['as_of']}"


async def history(rig: Rig) -> None:
    await take(rig, records(rig, worked_example()[0]))


async def one_more_mql(rig: Rig) -> None:
    lead = new_id()
    for event in (LeadCreated(lead_id=lead, cycle=1), MqlCreated(lead_id=lead, cycle=1)):
        await rig.deliver(event, lead, at=clock.utc_now())


@pytest.fixture(scope="module")
def kpi(engines: Engines) -> Iterator[Site]:
    with serving(KPI, engines) as site:
        site.tell(history)
        with site.client("ops_lead") as client:
            target = {"stage": "inside_sales", "base": 40, "rate": 0.5, "goal": 20}
            assert client.put("/v1/targets/2026-Q1", json=target).status_code == 200
            for metric, value in (("won", 5), ("opp_to_won", 0.9), ("won_value", 1_000_000)):
                own = {"level": "person", "name": "mina", "value": value}
                assert client.put(f"/v1/metric-targets/2026-Q1/{metric}", json=own).status_code == 200
        yield site


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_board_looks_right(page: Page, kpi: Site, language: str) -> None:
    page.goto(f"{kpi.address}/sign-in?lang={language}")
    page.goto(kpi.sign_in_link("executive"))
    for path in ("/", f"/{PERIOD}&by=channel", "/?from=2026-13-01", "/?mode=cohort", "/my-numbers?period=2026-Q1"):
        page.goto(f"{kpi.address}{path}")
        looks_right(page, language)


def test_it_shows_base_times_rate_is_goal_with_everything_a_base_is_made_of(browser: Browser, kpi: Site) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto(kpi.sign_in_link("viewer"))
    page.goto(f"{kpi.address}/{PERIOD}")
    with kpi.client("viewer") as client:
        funnel = client.get("/v1/funnel", params=QUARTER).json()
    for name, stage in zip(
        ("Marketing", "Inside sales", "Field sales", "Customer success"), funnel["stages"], strict=True
    ):
        card = page.get_by_role("article", name=name)
        equation = card.locator(".equation")
        expect(equation).to_contain_text(f"{stage['base']['value']:,}")
        expect(equation).to_contain_text(f"{stage['rate']['value'] * 100:.1f}%")
        expect(equation).to_contain_text(f"{stage['goal']['value']:,}")
        for words, part in (("from the stage before", "from_previous"), ("from outside the chain", "outside")):
            if count := stage["base"]["parts"][part]:
                expect(card).to_contain_text(f"{words} {count:,}")
    inside = page.get_by_role("article", name="Inside sales")
    expect(inside).to_contain_text(f"{20 - funnel['stages'][1]['goal']['value']:g} short of the target")
    context.close()


def test_it_changes_while_one_looks(page: Page, kpi: Site) -> None:
    page.goto(kpi.sign_in_link("viewer"))
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    goal = page.get_by_role("article", name="Marketing").locator(".equation b").last
    before = int(goal.inner_text())
    kpi.tell(one_more_mql)
    expect(goal).to_have_text(str(before + 1))
