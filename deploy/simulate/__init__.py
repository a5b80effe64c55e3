"""A believable Japanese SaaS company, played by a seed: two years of history, then live traffic.

It speaks to the product as its users do, through the importers and the HTTP APIs, and knows nothing of its inside.
"""
