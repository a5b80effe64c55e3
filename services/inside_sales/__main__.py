"""`python -m services.inside_sales all|api|worker|migrate`."""

from shared.start import start

if __name__ == "__main__":
    start("services.inside_sales.app")
