"""Rows on their way through an importer."""

import csv
import io
from collections.abc import Sequence

from deploy.history.carry.case import TELLER, Row
from deploy.simulate.files import csv_of
from deploy.simulate.voices import Voices

FIRST = 2  # the line of the first row: above it is the header


async def send(voices: Voices, name: str, rows: Sequence[Row]) -> dict[int, tuple[str, str]]:
    """Sends rows of one resource; answers the places of those that were refused, with rule and words."""
    columns = dict.fromkeys(column for row in rows for column in row.cells)
    content = csv_of({column: row.cells.get(column) for column in columns} for row in rows)
    service, resource = rows[0].service, rows[0].resource
    job = await voices.send_file(TELLER, service, resource, f"{name}-{resource}.csv", content, again=True)
    if not job["refused"]:
        return {}
    page = (await voices.refused_rows(TELLER, service, job["id"])).removeprefix("\ufeff")
    return {
        int(line["line"]) - FIRST: (line["rule"], f"{line['column']} {line['value']}: {line['explanation']}".strip())
        for line in csv.DictReader(io.StringIO(page))
    }
