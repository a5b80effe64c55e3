"""Fields that several bodies share."""

from datetime import date
from typing import Annotated

from pydantic import Field

Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2200, 1, 1))]
"""A calendar day of a business: what lies outside is a typing error."""
