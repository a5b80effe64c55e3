"""`python -m services.field_sales all|api|worker|migrate`."""

from services.field_sales.app import SERVICE
from shared.process import main

if __name__ == "__main__":
    main(SERVICE)
