"""Settings every service reads from the environment. A service adds its own in its `settings.py`."""

import os
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.money import known_currency

SERVICES = ("marketing", "inside_sales", "field_sales", "customer_success", "kpi")
DEFAULT_PORTS = dict(zip(SERVICES, range(8001, 8006), strict=True))


class Settings(BaseSettings):
    """The environment of one process; `service` is given by the process, not by the environment."""

    model_config = SettingsConfigDict(env_prefix="THEMODEL_", extra="ignore", frozen=True)

    service: str
    home: Path = Path(".themodel")
    currency: str = "JPY"
    timezone: str = "Asia/Tokyo"
    host: str = "127.0.0.1"
    topic_prefix: str = "themodel"
    log_format: str = Field("text", pattern="^(text|json)$")
    kafka: str = Field("127.0.0.1:9092", validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    jwks_file: Path | None = Field(None, validation_alias="AUTH_JWKS_FILE")
    replication_factor: int = 1
    pool_size: int = 12
    outbox_limit_rows: int = 200_000
    outbox_limit_seconds: float = 60.0
    freshness_seconds: float = 60.0  # a figure whose news are older says so

    _currency = field_validator("currency")(known_currency)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        ZoneInfo(name)
        return name

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def database_url(self) -> str:
        """`<SERVICE>_DATABASE_URL`, else the service's own database on the server of `DATABASE_URL`."""
        found = os.environ.get(f"{self.service.upper()}_DATABASE_URL")
        if not found:
            server = urlsplit(os.environ.get("DATABASE_URL", "postgresql://127.0.0.1:5544"))
            found = urlunsplit(server._replace(path=f"/themodel_{self.service}"))
        return found.replace("+asyncpg", "", 1)

    def port(self, service: str | None = None) -> int:
        name = service or self.service
        return int(os.environ.get(f"THEMODEL_{name.upper()}_PORT", DEFAULT_PORTS[name]))

    def topic(self, service: str | None = None) -> str:
        return f"{self.topic_prefix}.{(service or self.service).replace('_', '-')}"

    @property
    def heartbeat_topic(self) -> str:
        return f"{self.topic_prefix}.heartbeats"

    @property
    def dead_letter_topic(self) -> str:
        return f"{self.topic_prefix}.dead-letters.{self.service.replace('_', '-')}"
