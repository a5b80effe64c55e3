"""Files in: the resources marketing takes."""

from services.marketing.commands.import_accounts import ACCOUNTS_IMPORTER
from services.marketing.commands.import_days import SPEND_IMPORTER, VISITS_IMPORTER
from services.marketing.commands.import_leads import LEADS_IMPORTER
from shared.auth import Role
from shared.imports.api import Imports

IMPORTS = Imports([ACCOUNTS_IMPORTER, LEADS_IMPORTER, VISITS_IMPORTER, SPEND_IMPORTER], roles=[Role.MARKETING])
