"""This module owns what is in force: one object, read and checked at start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.settings.checks import problems_of
from gateway.settings.display import describe
from gateway.settings.reading import Reading
from gateway.settings.values import Values
from gateway.settings.variables import unknown_variables


class SettingsInvalid(Exception):
    """All that is wrong with the settings, a sentence each; none of them holds a secret."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class Settings(Values, frozen=True, kw_only=True):
    """What is in force. Made by `from_env`, which also checks what one field cannot say alone."""

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str], read_text: Callable[[str], str] | None = None
    ) -> Settings:
        """The settings that `environ` asks for; raise `SettingsInvalid` with all its mistakes.

        An empty variable counts as absent. `read_text` reads the files that variables name.
        """
        reading = Reading(environ, read_text or _text_of_file)
        values = reading.values()
        settings = cls(
            **values,
            given=frozenset(values),
            unknown_variables=tuple(unknown_variables(environ)),
        )
        problems = [*reading.problems, *problems_of(settings)]
        if problems:
            raise SettingsInvalid(problems)
        return settings

    def __repr__(self) -> str:
        """Masked, because a repr ends up in tracebacks and logs."""
        return f"Settings({', '.join(f'{name}={value}' for name, value, _ in describe(self))})"


def _text_of_file(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")
