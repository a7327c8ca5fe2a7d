"""This module owns the way from the text of the environment, and of files, to values."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from gateway.settings.providers import ProviderReading, orphans_of
from gateway.settings.values import RoomKind
from gateway.settings.variables import FIELDS, FROM_FILE, variable_of
from gateway.settings.webhooks import Webhook

Entry = TypeVar("Entry", bound=msgspec.Struct)


class Reading:
    """One reading of an environment; gathers `problems` on its way."""

    def __init__(self, environ: Mapping[str, str], read_text: Callable[[str], str]) -> None:
        self._environ = environ
        self._read_text = read_text
        self.problems: list[str] = []

    def values(self) -> dict[str, Any]:
        """The values by name of field, of those variables that are set and right."""
        # Any: what a field takes has been checked against that field's own type.
        values: dict[str, Any] = {}
        for name in FIELDS:
            text = self._text(name)
            if text:
                self._read_into(values, name, text)
        if not self.problems:  # what cannot be read has no name that a secret could belong to
            self.problems.extend(orphans_of(self._environ, values.get("providers", ())))
        return values

    def _text(self, name: str) -> str:
        variable = variable_of(name)
        text = self._environ.get(variable, "").strip()
        path = self._environ.get(f"{variable}_FILE", "").strip() if name in FROM_FILE else ""
        if text and path:
            self.problems.append(f"{variable} and {variable}_FILE are both set; keep one.")
        elif path:
            text = self._file(f"{variable}_FILE", path)
            if not text:
                self.problems.append(f"{variable}_FILE: nothing was read from {path}.")
        if any("\ud800" <= character <= "\udfff" for character in text):
            self.problems.append(f"{variable} is not UTF-8.")
            return ""
        return text

    def _file(self, variable: str, path: str) -> str:
        try:
            return self._read_text(path).strip()
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            self.problems.append(f"{variable} names {path}, which cannot be read: {reason}.")
            return ""

    def _read_into(self, values: dict[str, Any], name: str, text: str) -> None:
        if name == "room_kinds":
            values |= self._config(text)
            return
        try:
            values[name] = msgspec.convert(
                _prepared(name, text), type=FIELDS[name].type, strict=False
            )
        except msgspec.ValidationError as error:
            shown = "" if name in FROM_FILE else f" is {text[:100]!r}"
            self.problems.append(f"{variable_of(name)}{shown}: {_rule_of(error)}.")

    def _config(self, path: str) -> dict[str, Any]:
        """The values that the file of PACELINE_CONFIG holds."""
        try:
            tables = tomllib.loads(self._file("PACELINE_CONFIG", path))
        except tomllib.TOMLDecodeError as error:
            self.problems.append(f"PACELINE_CONFIG: {path} is not TOML: {error}.")
            return {"room_kinds": ()}
        providers = ProviderReading(self._environ, self._file)
        values = {
            "room_kinds": self._entries(path, "room", tables.pop("room", []), RoomKind, "pattern"),
            "webhooks": tuple(
                self._with_secret(webhook)
                for webhook in self._entries(
                    path, "webhook", tables.pop("webhook", []), Webhook, "name"
                )
            ),
            "providers": providers.providers(tables.pop("provider", [])),
        }
        self.problems.extend(providers.problems)
        for key in tables:
            self.problems.append(
                f"PACELINE_CONFIG: {path} has {key!r}; it may have [[room]], [[webhook]] and"
                " [[provider]] only."
            )
        return values

    def _entries(
        self, path: str, name: str, tables: object, kind: type[Entry], needed: str
    ) -> tuple[Entry, ...]:
        if not isinstance(tables, list):
            self.problems.append(f"PACELINE_CONFIG: {path}: write [[{name}]], with two brackets.")
            return ()
        found = []
        for number, table in enumerate(tables, 1):
            place = f"[[{name}]] number {number}"
            if not isinstance(table, dict) or needed not in table:
                self.problems.append(f"PACELINE_CONFIG: {place} has no {needed}.")
                continue
            try:
                found.append(msgspec.convert(table, type=kind))
            except msgspec.ValidationError as error:
                self.problems.append(f"PACELINE_CONFIG: {place}: {error}.")
        return tuple(found)

    def _with_secret(self, webhook: Webhook) -> Webhook:
        if not webhook.secret_file:
            return webhook
        if webhook.secret:
            self.problems.append(
                f"PACELINE_CONFIG: [[webhook]] {webhook.name} has secret and secret_file; keep one."
            )
        text = self._file(f"PACELINE_CONFIG: secret_file of {webhook.name}", webhook.secret_file)
        return msgspec.structs.replace(webhook, secret=text)


def _prepared(name: str, text: str) -> str | list[str]:
    if isinstance(FIELDS[name].default, tuple):
        # Twice the same entry is one entry: a secret tried twice only costs time.
        return list(dict.fromkeys(part for part in re.split(r"[,\s]+", text) if part))
    if name == "log_level":
        return text.upper()
    if name in {"environment", "log_format"}:
        return text.lower()
    # .env files write the line ends of a PEM as two characters.
    return text.replace("\\n", "\n") if name == "jwt_public_key" else text


def _rule_of(error: msgspec.ValidationError) -> str:
    """The rule that was broken. msgspec quotes a value when it is no member of an enumeration."""
    rule = str(error).replace(", got `str`", "").partition(" - at ")[0]
    return re.sub(r"Invalid enum value '.*'", "not one of the values there are", rule)
