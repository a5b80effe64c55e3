"""The metrics book tells what the catalogue is."""

from services.kpi.domain.stages import STAGES
from services.kpi.metrics.about import ABOUT
from services.kpi.metrics.book import BOOK, written
from services.kpi.metrics.catalogue import CATALOGUE, FAMILIES


def test_the_book_is_up_to_date() -> None:
    page = BOOK.read_text(encoding="utf-8")
    assert page == written(page), "run: python -m services.kpi.metrics.book"


def test_every_metric_says_whose_it_is_and_what_to_watch_with_it() -> None:
    assert ABOUT.keys() == CATALOGUE.keys()
    for about in ABOUT.values():
        assert about.department in STAGES
        assert about.counter is None or about.counter in CATALOGUE


def test_no_id_is_given_twice() -> None:
    assert sum(len(family.METRICS) for family in FAMILIES) == len(CATALOGUE)
