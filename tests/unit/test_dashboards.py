"""The Grafana dashboards that stand in the repository are those the generator writes."""

import json
from pathlib import Path

import pytest

from deploy.grafana.generate import files
from deploy.grafana.words import WORDS


@pytest.mark.parametrize("file", sorted(files()), ids=lambda file: file.name)
def test_what_is_committed_is_what_is_generated(file: Path) -> None:
    assert file.read_text() == files()[file], "run `python -m deploy.grafana.generate`"


def test_both_languages_have_the_same_words() -> None:
    assert WORDS["ja"].keys() == WORDS["en"].keys()


@pytest.mark.parametrize("file", sorted(files()), ids=lambda file: file.name)
def test_every_panel_says_what_it_shows_and_asks_the_chosen_source(file: Path) -> None:
    panels = json.loads(file.read_text())["panels"]
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels]
    assert len(set(places)) == len(panels) > 10
    for panel in panels:
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${source}"}
        assert all(target["expr"] and target["refId"] for target in panel["targets"])
