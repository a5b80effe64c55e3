"""`python -m services.marketing all|api|worker|migrate`."""

from services.marketing.app import SERVICE
from shared.process import main

if __name__ == "__main__":
    main(SERVICE)
