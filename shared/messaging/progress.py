"""How far a department has come, in one statement: its offsets and the numbers of the streams it heard.

As good as always a batch holds what simply follows, and nothing of its streams is parked. Then offsets and numbers move
together; anything else is an error of the statement, which leaves nothing behind, and the batch is taken carefully.

The commit need not wait for the disk: what a crash of the server takes back is taken back with its offset, and read
again. Only what is announced must be safe before the relay sends it; the outbox sees to that.
"""

from collections.abc import Sequence
from typing import Any

from shared.messaging.offsets import Ends
from shared.messaging.parking import Letter, Stream


class OutOfOrder(Exception):
    """Among these events is one told twice or too early."""


# The order of locks and the compare-and-set are those of `offsets.fence`. Division by zero: something does not follow.
ADVANCE = """
WITH moved AS (
    SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[]) AS m(topic, partition, expected, new)
), locked AS MATERIALIZED (
    SELECT 1 FROM consumer_offset WHERE partition = ANY($2) ORDER BY partition, topic FOR UPDATE
), updated AS (
    UPDATE consumer_offset o SET next_offset = m.new FROM moved m
    WHERE (SELECT count(*) FROM locked) > 0
      AND o.topic = m.topic AND o.partition = m.partition AND o.next_offset = m.expected RETURNING 1
), told AS (
    SELECT * FROM unnest($5::text[], $6::text[], $7::bigint[], $8::bigint[]) AS t(source, stream, first, last)
), known AS (
    UPDATE applied_sequence a SET last_sequence = t.last FROM told t
    WHERE (SELECT count(*) FROM updated) = cardinality($1)
      AND a.source = t.source AND a.stream = t.stream AND a.last_sequence = t.first - 1 RETURNING 1
), new AS (
    INSERT INTO applied_sequence (source, stream, last_sequence)
    SELECT source, stream, last FROM told WHERE (SELECT count(*) FROM updated) = cardinality($1) AND first = 1
    ORDER BY 1, 2 ON CONFLICT DO NOTHING RETURNING 1
)
SELECT set_config('synchronous_commit', 'off', true), 1 / (
    (SELECT count(*) FROM known) + (SELECT count(*) FROM new) = cardinality($5)
    AND NOT EXISTS (SELECT FROM parked_event p JOIN told t USING (source, stream))
)::int
"""


def steps(ends: Ends, letters: Sequence[Letter]) -> tuple[list[Any], ...]:
    """What `ADVANCE` is asked with. Raises OutOfOrder where that can be seen already."""
    spans: dict[Stream, tuple[int, int]] = {}
    for letter in letters:
        stream, number = letter.meta.stream, letter.meta.sequence
        first, last = spans.get(stream, (number, number - 1))
        if number != last + 1:
            raise OutOfOrder
        spans[stream] = first, number
    places, streams = sorted(ends), sorted(spans)
    return (
        [place.topic for place in places],
        [place.partition for place in places],
        [ends[place][0] for place in places],
        [ends[place][1] for place in places],
        [source for source, _ in streams],
        [stream for _, stream in streams],
        [spans[stream][0] for stream in streams],
        [spans[stream][1] for stream in streams],
    )
