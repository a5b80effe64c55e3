"""Prometheus: what every service measures. Labels come from closed lists only, never an id.

Counters are raised after a commit, in the process that did the work; kpi's own gauges read its tables.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

registry = CollectorRegistry(auto_describe=True)
service = ""  # the label of this process, set once at its start


entries = Counter(
    "themodel_funnel_entries", "Entries into a stage of the funnel, told live", ["stage"], registry=registry
)
outbox_rows = Gauge("themodel_outbox_unsent_rows", "Events committed and not yet in Kafka", registry=registry)
outbox_age = Gauge("themodel_outbox_oldest_unsent_seconds", "Age of the oldest of them", registry=registry)
relayed = Counter("themodel_relay_events", "Events the broker acknowledged", registry=registry)
relay_rebuilds = Counter(
    "themodel_relay_producer_rebuilds", "Producers given up after an error or by age", registry=registry
)
voided = Counter("themodel_outbox_voided", "Events Kafka refused for ever, told as void", registry=registry)
consumed = Counter(
    "themodel_consumer_events",
    "Events read, by what became of them",
    ["service", "type", "outcome"],
    registry=registry,
)
lag = Gauge("themodel_consumer_lag_events", "Events of other departments not read yet", ["service"], registry=registry)
fenced = Counter("themodel_consumer_fenced", "Batches refused because another worker owns them", registry=registry)
parked = Gauge("themodel_parked_events", "Events waiting for an earlier one or for a mended handler", registry=registry)
parked_streams = Gauge("themodel_parked_streams", "Streams that wait", registry=registry)
dead_letters = Counter("themodel_dead_letters", "Records that are no event of ours", ["service"], registry=registry)
halted = Gauge(
    "themodel_consumer_halted", "1 while the consumer waits for a person; /readyz says why", registry=registry
)
handoff = Histogram(
    "themodel_handoff_latency_seconds",
    "From recorded in one department until known in the next",
    ["service"],
    buckets=(
        0.0025,
        0.005,
        0.0075,
        0.01,
        0.0125,
        0.015,
        0.02,
        0.025,
        0.03,
        0.04,
        0.05,
        0.06,
        0.08,
        0.1,
        0.25,
        0.5,
        1,
        2.5,
        10,
        60,
    ),
    registry=registry,
)
clock_skew = Gauge(
    "themodel_clock_skew_seconds",
    "How far the last event of a department was recorded ahead of our own clock; 0 where it was not",
    ["publisher"],
    registry=registry,
)
requests = Histogram(
    "themodel_http_request_seconds",
    "HTTP requests by route",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=registry,
)


def exposition() -> bytes:
    return generate_latest(registry)


def begin(name: str) -> None:
    """This process is one of the service `name`. What has not happened yet is 0 from here on, so that a first time
    counts as an increase."""
    global service
    service = name
    dead_letters.labels(name)
