"""Inside sales: answers MQLs in time, judges them, and hands over to field sales what is worth a meeting.

Base: MQLs handed over by marketing. Goal: opportunities field sales opened from its SQLs.
Owns prospects (one lead in its current cycle), the queue and its order, the response SLA, the transition criteria,
appointments, and the valve that lets through as much as field sales can take.

In: marketing (MQLs, recycled, changed, merged and erased leads, companies), field_sales (capacity, SQLs taken or
returned, appointments, deals). Out: first contacts, MQLs accepted or rejected, SQLs, appointments, dropped leads,
moves of the valve.
"""
