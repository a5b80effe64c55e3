"""How an event travels without being lost or counted twice: outbox → relay → Kafka → consumer → parked or applied.

Outbox: rows written with the act, numbered without gaps per stream. Relay: sends them in order, deletes what the
broker acknowledged. Consumer: offsets and effects in one transaction. Parking: what cannot be applied yet waits,
and everything later of its stream waits behind it.
"""
