"""The metrics book: the catalogue as the table of docs/metrics.md. `python -m services.kpi.metrics.book` writes it."""

from pathlib import Path

from services.kpi.metrics.about import ABOUT
from services.kpi.metrics.catalogue import CATALOGUE
from services.kpi.metrics.figures import Metric

BOOK = Path(__file__).resolve().parents[3] / "docs/metrics.md"
BEGIN, END = "<!-- catalogue -->\n", "<!-- end of catalogue -->\n"
HEAD = """| id | name | unit | one of it is | modes | formula | watch with it | department | source |
|---|---|---|---|---|---|---|---|---|
"""


def table() -> str:
    return HEAD + "".join(map(_line, CATALOGUE.values()))


def _line(metric: Metric) -> str:
    about = ABOUT[metric.id]
    cells = (
        f"`{metric.id}`",
        f"{metric.en} / {metric.ja}",
        metric.unit,
        about.grain,
        ", ".join(metric.modes),
        metric.formula,
        f"`{about.counter}`" if about.counter else "",
        about.department,
        about.source,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def written(page: str) -> str:
    """The page with the table as it is now."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    BOOK.write_text(written(BOOK.read_text(encoding="utf-8")), encoding="utf-8")
