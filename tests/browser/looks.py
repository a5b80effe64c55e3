"""What must hold for every page, whatever it shows: in both languages, on a phone and on a desk."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

WIDTHS = (390, 1280)
LANGUAGES = ("ja", "en")

_OVERFLOWING = """() => {
  const visible = (one) => one.clientWidth > 0 && getComputedStyle(one).display !== 'inline'
    && getComputedStyle(one).overflowX === 'visible';
  const wide = [...document.querySelectorAll('main *, header *')]
    .filter((one) => visible(one) && one.scrollWidth > one.clientWidth + 1);
  const page = document.documentElement.scrollWidth > innerWidth ? ['the page'] : [];
  return [...page, ...wide.map((one) => `${one.tagName} ${one.className} ${one.textContent.trim().slice(0, 40)}`)];
}"""
_BROKEN_CONTROLS = """() => [...document.querySelectorAll('button, .button, nav a')]
  .filter((one) => one.getClientRects().length && one.getBoundingClientRect().height
    > parseFloat(getComputedStyle(one).lineHeight) * 1.9)
  .map((one) => one.textContent.trim())"""


def looks_right(page: Page, language: str) -> None:
    """The right language; at both widths no barrier axe knows, nothing wider than its place, every control on one
    line."""
    assert page.locator("html").get_attribute("lang") == language
    assert page.locator("h1").count() == 1
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        found = Axe().run(page, options={"resultTypes": ["violations"]})  # no list of all that is well
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate(_OVERFLOWING) == [], width
        assert page.evaluate(_BROKEN_CONTROLS) == [], width
