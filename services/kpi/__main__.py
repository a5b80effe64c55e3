"""`python -m services.kpi all|api|worker|migrate`."""

from shared.start import start

if __name__ == "__main__":
    start("services.kpi.app")
