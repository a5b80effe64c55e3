"""HTTP bodies and answers of field sales."""
