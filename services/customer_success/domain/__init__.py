"""The rules of customer success, free of IO: time, ids and the company's numbers are arguments."""
