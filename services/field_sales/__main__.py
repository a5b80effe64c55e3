"""`python -m services.field_sales all|api|worker|migrate`."""

from shared.start import start

if __name__ == "__main__":
    start("services.field_sales.app")
