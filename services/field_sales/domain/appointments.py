"""What becomes of an appointment (アポ): one transition table."""

from enum import StrEnum

from shared.errors import Refused


class AppointmentStatus(StrEnum):
    SET = "set"  # agreed, not yet over
    HELD = "held"
    MISSED = "missed"  # the customer did not come
    CANCELLED = "cancelled"


class AppointmentAct(StrEnum):
    HOLD = "hold"
    RESCHEDULE = "reschedule"
    MISS = "miss"
    CANCEL = "cancel"


TRANSITIONS: dict[tuple[AppointmentStatus, AppointmentAct], AppointmentStatus] = {
    (AppointmentStatus.SET, AppointmentAct.HOLD): AppointmentStatus.HELD,
    (AppointmentStatus.SET, AppointmentAct.RESCHEDULE): AppointmentStatus.SET,
    (AppointmentStatus.SET, AppointmentAct.MISS): AppointmentStatus.MISSED,
    (AppointmentStatus.SET, AppointmentAct.CANCEL): AppointmentStatus.CANCELLED,
    (AppointmentStatus.MISSED, AppointmentAct.RESCHEDULE): AppointmentStatus.SET,
    (AppointmentStatus.MISSED, AppointmentAct.CANCEL): AppointmentStatus.CANCELLED,
}


class AppointmentOver(Refused):
    """The appointment has come to an end that this act cannot change."""

    rule = "appointment_over"

    def __init__(self, status: AppointmentStatus, act: AppointmentAct) -> None:
        super().__init__(f"This appointment is {status}; it is too late to {act} it", current=status)


def move(status: AppointmentStatus, act: AppointmentAct) -> AppointmentStatus:
    """What the act makes of it. Raises AppointmentOver."""
    try:
        return TRANSITIONS[status, act]
    except KeyError:
        raise AppointmentOver(status, act) from None
