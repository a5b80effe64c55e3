"""`python -m services.kpi all|api|worker|migrate`."""

from services.kpi.app import SERVICE
from shared.process import main

if __name__ == "__main__":
    main(SERVICE)
