"""Random faults under load on the whole product, and what must hold afterwards. `make soak MINUTES=10 SEED=1`."""
