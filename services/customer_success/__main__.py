"""`python -m services.customer_success all|api|worker|migrate`."""

from services.customer_success.app import SERVICE
from shared.process import main

if __name__ == "__main__":
    main(SERVICE)
