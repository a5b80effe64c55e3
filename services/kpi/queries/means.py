"""How the database is to read for a question."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# For what a question sorts and joins; the server's own is made for acts, and ends on the disk here. And planned for
# what is asked: from the sixth time on PostgreSQL may take one plan for a quarter and for ten years alike.
MEANS = "SELECT set_config('work_mem', '64MB', true), set_config('plan_cache_mode', 'force_custom_plan', true)"

# What nobody waits for takes one processor, and leaves the others to those who ask.
ALONE = "SELECT set_config('max_parallel_workers_per_gather', '0', true)"


async def for_questions(session: AsyncSession, *, waited_for: bool = True) -> None:
    """Until the transaction ends."""
    await session.execute(text(MEANS))
    if not waited_for:
        await session.execute(text(ALONE))
