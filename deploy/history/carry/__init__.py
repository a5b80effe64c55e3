"""A told history carried into the departments: every event as the call or the imported row a colleague would have made.

`ways.py` has the table of it, one module per department the translations, `carrier.py` the order and the report.
"""
