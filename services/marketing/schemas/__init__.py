"""HTTP bodies of marketing."""
