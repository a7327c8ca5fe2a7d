"""What can be set, from the environment alone: one frozen object, checked at start."""

from gateway.settings.checks import SECRET_MINIMUM_BYTES, warnings_of
from gateway.settings.display import describe
from gateway.settings.providers import Provider
from gateway.settings.settings import Settings, SettingsInvalid
from gateway.settings.values import RoomKind
from gateway.settings.variables import variable_of

__all__ = [
    "SECRET_MINIMUM_BYTES",
    "Provider",
    "RoomKind",
    "Settings",
    "SettingsInvalid",
    "describe",
    "variable_of",
    "warnings_of",
]
