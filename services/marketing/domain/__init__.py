"""Marketing's rules, free of IO: who is whom, what interest is worth, when a lead is an MQL, when it comes back."""
