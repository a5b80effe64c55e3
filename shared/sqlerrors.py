"""What an error of the database means: which of PostgreSQL's states it is, and whether trying again would help."""

import asyncpg
from sqlalchemy.exc import DBAPIError


def cause_of(error: BaseException) -> BaseException:
    """The driver's own error below SQLAlchemy's."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def sqlstate(error: BaseException) -> str:
    """PostgreSQL's five letters, or nothing."""
    return getattr(cause_of(error), "sqlstate", None) or ""


def transient(error: BaseException) -> bool:
    """Would the same act succeed once the engines are back? Never wider: a bug must be parked, not retried for ever."""
    error = cause_of(error)
    if isinstance(error, OSError | TimeoutError | asyncpg.InternalClientError):
        return True
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)
    state = sqlstate(error)
    return state[:2] in {"08", "40", "53", "57"} or state in {"25006", "25P03", "25P04", "55P03"}
