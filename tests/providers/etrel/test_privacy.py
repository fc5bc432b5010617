"""Nobody who charges is found in what is shown, kept or logged of a message."""

import pytest

from custom_components.ev_streams.model import SessionChange
from custom_components.ev_streams.providers.etrel.privacy import (
    is_personal,
    without_people,
)

from .helpers import decoded

SECRETS = ("04A1B2C3", "Kim", "kim@example.com", "LJ AB-123", "WVWZZZ1KZAW000001")
BODY = {
    "ChargingSessionId": 5,
    "ConnectedFrom": "2026-11-20T08:00:00",
    "Identification": {"Token": "04A1B2C3", "User": {"FirstName": "Kim"}},
    "UserEmail": "kim@example.com",
    "Driver": {"Anything": "Kim"},
    "Vehicle": {
        "LicencePlate": "LJ AB-123",
        "Vin": "WVWZZZ1KZAW000001",
        "Model": "ID.3",
    },
    "History": [{"Owner": "Kim"}, {"Rfid_Tag": "04A1B2C3", "Kept": 1}],
    "Location": {"Id": 77, "FriendlyName": "Parking North"},
}


@pytest.mark.parametrize(
    "tail", ["session.started", "session.ended", "connector.statusChanged", "crm.x"]
)
def test_content_happening_and_identity_name_nobody(tail: str) -> None:
    message = decoded(tail, BODY)
    shown = repr(
        (message.content, message.happening, message.identity, message.devices)
    )
    assert "Parking North" in shown
    for secret in SECRETS:
        assert secret not in shown


def test_the_token_is_told_of_the_session_and_nowhere_else() -> None:
    (update,) = decoded("session.started", BODY).updates
    assert isinstance(update, SessionChange)
    assert update.token == "04A1B2C3"


def test_what_is_harmless_stays() -> None:
    assert without_people(BODY) == {
        "ChargingSessionId": 5,
        "ConnectedFrom": "2026-11-20T08:00:00",
        "Vehicle": {"Model": "ID.3"},
        "History": [{}, {"Kept": 1}],
        "Location": {"Id": 77, "FriendlyName": "Parking North"},
    }


@pytest.mark.parametrize(
    "name",
    [
        *("Email", "E-Mail", "eMailAddress", "PhoneNumber", "MobilePhone", "FirstName"),
        *("Last_Name", "UserName", "User", "user_id", "CustomerName", "Driver"),
        *("Token", "TokenId", "RFID", "IdTag", "Identification", "CardNumber"),
        *("LicensePlate", "LicencePlateNumber", "RegistrationNumber", "VIN", "Contact"),
    ],
)
def test_names_of_personal_members(name: str) -> None:
    assert is_personal(name)


@pytest.mark.parametrize(
    "name",
    [
        *("ChargingSessionId", "FriendlyName", "LocationName", "Status", "Title"),
        *("ConnectorId", "Measurements", "NumberOfPhases", "Power", "Timestamp", "Id"),
        *("ChargePoint", "EvseId", "Tariff", "Price", "Currency", "Reason"),
    ],
)
def test_names_of_harmless_members(name: str) -> None:
    assert not is_personal(name)


def test_what_lies_too_deep_to_be_looked_at_is_left_out() -> None:
    body: dict[str, object] = {"Email": "kim@example.com"}
    for _ in range(100):
        body = {"a": body}
    assert "kim" not in repr(without_people(body))
