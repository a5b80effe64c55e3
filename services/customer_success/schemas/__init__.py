"""HTTP bodies and answers of customer success."""
