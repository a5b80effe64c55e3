"""What must hold for every page, whatever it shows: in both languages, on a phone and on a desk."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

WIDTHS = {"ja": (1280, 390), "en": (390, 1280)}  # axe looks last, and takes longest: once a language
LANGUAGES = tuple(WIDTHS)

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
    """Nothing wider than its place and every control on one line at both widths, the right language, no barrier axe
    knows."""
    assert page.locator("html").get_attribute("lang") == language
    assert page.locator("h1").count() == 1
    for width in WIDTHS[language]:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(_OVERFLOWING) == [], width
        assert page.evaluate(_BROKEN_CONTROLS) == [], width
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()
