"""The benchmarks: ratios to a peer or to the raw library in the same run, never times alone."""
