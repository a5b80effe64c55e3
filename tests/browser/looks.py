"""What must hold for every page, whatever it shows: at both widths, in both languages."""

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
    """No barrier axe knows, nothing wider than its place, every control on one line, the right language."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate(_OVERFLOWING) == []
    assert page.evaluate(_BROKEN_CONTROLS) == []
    assert page.locator("html").get_attribute("lang") == language
    assert page.locator("h1").count() == 1
