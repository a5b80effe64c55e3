"""`python -m services.customer_success all|api|worker|migrate`."""

from shared.start import start

if __name__ == "__main__":
    start("services.customer_success.app")
