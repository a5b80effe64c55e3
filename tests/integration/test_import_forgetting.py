"""What refused rows said of a person goes from every department that hears that they were erased."""

import pytest

from services.customer_success import app as customer_success
from services.field_sales import app as field_sales
from services.inside_sales import app as inside_sales
from shared.contracts.marketing import LeadErased
from shared.ids import new_id
from shared.imports.api import Imports
from shared.service import Service
from tests.support.import_rig import errors_after
from tests.support.rig import MakeRig


@pytest.mark.parametrize(
    ("service", "imports", "resource", "text"),
    [
        (
            inside_sales.SERVICE,
            inside_sales.IMPORTS,
            "prospects",
            "lead_external_id,first_contact_at,comment\nL-1,山田太郎と電話,x\n",
        ),
        (
            field_sales.SERVICE,
            field_sales.IMPORTS,
            "opportunities",
            "external_id,status,opened_at\nD-1,山田太郎の件,2025-01-01\n",
        ),
        (
            customer_success.SERVICE,
            customer_success.IMPORTS,
            "tickets",
            "external_id,account_external_id,opened_at\nT-1,A-1,山田太郎より\n",
        ),
    ],
    ids=["inside_sales", "field_sales", "customer_success"],
)
async def test_an_erased_person_leaves_no_refused_cell(
    make_rig: MakeRig, service: Service, imports: Imports, resource: str, text: str
) -> None:
    rig, lead = await make_rig(service), new_id()
    told = await errors_after(rig, imports, service.name, resource, text)
    assert "山田太郎" in told
    await rig.deliver(LeadErased(lead_id=lead), lead)
    left = await errors_after(rig, imports, service.name, resource, text)
    assert "山田太郎" not in left
    assert [line.split(",")[:2] for line in left.splitlines()] == [line.split(",")[:2] for line in told.splitlines()]
