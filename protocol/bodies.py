"""This module owns how what was sent becomes a typed body: every bad field is named at once.

msgspec stops at the first mistake. Whoever fills in a form wants to hear of all of them, so each
field is read by itself, by the type that it has in the class.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, get_args

import msgspec
from msgspec import Meta, Raw

from protocol.refusals import Refusal, Refused

Body = TypeVar("Body", bound=msgspec.Struct)

_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_NAMED_LIMIT = 20  # of fields that are not known: their names are the sender's
_NAME_LIMIT_CHARACTERS = 64
_WHOLE_NUMBER = re.compile(rb"\s*(-?[0-9]+)\.0+\s*")
_IS_REQUIRED = "This field is required."
_IS_UNKNOWN = "There is no such field."
_IS_REPEATED = "Given more than once."


def body_of(raw: bytes, kind: type[Body]) -> Body:
    """The body in JSON text; raises `Refused` (MALFORMED, or INVALID with every bad field)."""
    try:
        given = _decode_object(raw)
    except msgspec.ValidationError as error:
        raise Refused(Refusal.MALFORMED, "The body must be a JSON object.") from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Refused(Refusal.MALFORMED, f"The body is not JSON: {error}") from error
    return _assembled(given, kind, _json_readers(kind), {})


def parameters_of(pairs: Iterable[tuple[str, str]], kind: type[Body]) -> Body:
    """The parameters of a URL; raises `Refused` (INVALID) with every bad one, as `body_of` does."""
    given: dict[str, str] = {}
    bad: dict[str, str] = {}
    for name, text in pairs:
        if name in given:
            bad[name] = _IS_REPEATED
        given[name] = text
    return _assembled(given, kind, _text_readers(kind), bad)


def invalid(bad: Mapping[str, str]) -> Refused:
    """The no that names fields: each with what is wrong with it."""
    fields = {
        name[:_NAME_LIMIT_CHARACTERS]: said for name, said in list(bad.items())[:_NAMED_LIMIT]
    }
    return Refused(Refusal.INVALID, details={"fields": fields})


def _assembled(
    given: Mapping[str, Any],
    kind: type[Body],
    readers: Mapping[str, Callable[[Any], Any]],
    bad: dict[str, str],
) -> Body:
    values: dict[str, Any] = {}
    for field in _fields_of(kind):
        name = field.encode_name
        if name not in given:
            if field.required:
                bad[name] = _IS_REQUIRED
            continue
        try:
            values[field.name] = readers[name](given[name])
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            bad.setdefault(name, _said_of(error, field.type))
    bad |= {name: _IS_UNKNOWN for name in given if name not in readers}
    if bad:
        raise invalid(bad)
    return kind(**values)


@functools.cache
def _fields_of(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Each time anew it would cost more than all the rest."""
    return msgspec.structs.fields(kind)


@functools.cache
def _json_readers(kind: type[msgspec.Struct]) -> dict[str, Callable[[Any], Any]]:
    return {
        field.encode_name: functools.partial(_read_json, msgspec.json.Decoder(field.type).decode)
        for field in msgspec.structs.fields(kind)
    }


@functools.cache
def _text_readers(kind: type[msgspec.Struct]) -> dict[str, Callable[[Any], Any]]:
    return {
        field.encode_name: functools.partial(_read_text, field.type)
        for field in msgspec.structs.fields(kind)
    }


def _read_json(decode: Callable[[Any], Any], raw: Raw) -> Any:  # noqa: ANN401 - as the field's type
    """To JSON Schema, and to JavaScript, 34.0 is an integer."""
    try:
        return decode(raw)
    except msgspec.ValidationError:
        whole = _WHOLE_NUMBER.fullmatch(bytes(raw))
        if whole is None:
            raise
        return decode(whole[1])


def _read_text(kind: Any, text: str) -> Any:  # noqa: ANN401 - any type that a field may have
    """What is not there is left out: no text stands for it."""
    value = msgspec.convert(text, kind, strict=False)
    if value is None:
        raise msgspec.ValidationError("Expected a value")
    return value


def _said_of(error: Exception, kind: Any) -> str:  # noqa: ANN401 - any type that a field may have
    """A sentence; a regular expression would be none."""
    text = str(error).partition(" - at ")[0]
    if "matching regex" in text:
        return f"Expected {_description_of(kind) or 'another form'}."
    return re.sub(r"Invalid enum value .*", "Not one of the values there are", text) + "."


def _description_of(kind: Any) -> str | None:  # noqa: ANN401 - any type that a field may have
    if isinstance(kind, Meta):
        return kind.description
    metadata = getattr(kind, "__metadata__", ())
    found = (_description_of(part) for part in (*metadata, *get_args(kind)))
    return next(filter(None, found), None)
