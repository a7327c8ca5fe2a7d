import pytest

from gateway.settings import Settings, warnings_of
from tests.gateway.settings.environments import PRODUCTION, problems_of


@pytest.mark.parametrize(
    ("misspelled", "meant"),
    [
        ("PACELINE_JWT_ISUER", "PACELINE_JWT_ISSUER"),
        ("PACELINE_JWT_SECRETS", "PACELINE_JWT_SECRET"),
        ("PACELINE_DRAIN_SECOND", "PACELINE_DRAIN_SECONDS"),
        ("PACELINE_REDIS_URL", "REDIS_URL"),
        ("PACELINE_PORT", "PORT"),
    ],
)
def test_a_misspelled_name_stops_the_start_and_names_what_was_meant(
    misspelled: str, meant: str
) -> None:
    assert problems_of({**PRODUCTION, misspelled: "1"}) == [
        f"{misspelled} is not a setting; did you mean {meant}?"
    ]


def test_a_name_like_no_setting_is_warned_of() -> None:
    settings = Settings.from_env({**PRODUCTION, "PACELINE_COLOUR": "green"})
    assert warnings_of(settings) == ["PACELINE_COLOUR is not a setting and has no effect."]


def test_what_kubernetes_adds_for_a_service_of_our_name_is_no_mistake() -> None:
    names = {
        "PACELINE_SERVICE_HOST": "10.96.0.7",
        "PACELINE_SERVICE_PORT": "80",
        "PACELINE_SERVICE_PORT_HTTP": "80",
        "PACELINE_PORT": "tcp://10.96.0.7:80",
        "PACELINE_PORT_80_TCP": "tcp://10.96.0.7:80",
        "PACELINE_PORT_80_TCP_ADDR": "10.96.0.7",
        "PACELINE_REDIS_SERVICE_HOST": "10.96.0.8",
    }
    assert warnings_of(Settings.from_env({**PRODUCTION, **names})) == []
