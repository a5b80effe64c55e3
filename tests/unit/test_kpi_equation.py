"""The chain as an equation: where it is open, and where slices do not add up."""

from services.kpi.domain.stages import Cut
from services.kpi.metrics.equation import not_whole, open_at
from services.kpi.metrics.funnel import Equation
from services.kpi.metrics.question import ALL, Cell
from services.kpi.schemas.figures import Parts


def stage(name: str, base: int, goal: int, *, before: int = 0, outside: int = 0, opening: int = 0) -> Equation:
    return Equation(Cut(name, "lead", "won"), base, Parts(from_previous=before, outside=outside, opening=opening), goal)


FIRST = stage("marketing", 100, 20, outside=100)


def test_a_base_is_the_goal_before_with_what_came_from_outside_and_the_stock() -> None:
    assert list(open_at([FIRST, stage("inside_sales", 33, 8, before=20, outside=8, opening=5)])) == []
    assert list(open_at([FIRST, stage("inside_sales", 34, 8, before=20, outside=8, opening=5)])) == ["inside_sales"]
    assert list(open_at([FIRST, stage("inside_sales", 19, 8, before=19)])) == ["inside_sales"], "one was lost"
    assert list(open_at([FIRST, stage("inside_sales", 19, 8, before=20, outside=-1)])) == ["inside_sales"]


def test_slices_add_up_to_the_whole() -> None:
    ads, event = Cell(None, "ads"), Cell(None, "event")
    found = {
        ALL: [FIRST],
        ads: [stage("marketing", 60, 15, outside=60)],
        event: [stage("marketing", 40, 5, outside=40)],
    }
    assert list(not_whole(found, [ads, event])) == []
    assert list(not_whole(found, [ads])) == ["marketing"]


def test_what_a_segment_cuts_otherwise_is_not_added_to_the_others() -> None:
    own = FIRST._replace(cut=Cut("marketing", "visitor", "mql"))
    parts = {ALL: [FIRST], Cell(None, "ENT"): [own]}
    assert list(not_whole(parts, [Cell(None, "ENT")])) == []
    assert list(not_whole({ALL: [FIRST], Cell(None, "ENT"): [FIRST]}, [Cell(None, "ENT")])) == []
