"""Field sales: SQLs taken or sent back, opportunities led through their phases, deals won and lost.

Base: opportunities opened (taken from inside sales, or found outside the chain). Goal: deals won.
Events in: inside sales' SQLs and appointments; marketing's leads, merges and companies; customer success' reviews of
promises. Events out: what became of the SQL and its appointment, the opportunity and its phases, deals won, lost and
reopened, and how many slots a rep has.
"""
