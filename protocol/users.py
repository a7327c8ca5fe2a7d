"""This module owns the bodies of users: what may be sent, what is answered, and every limit."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from protocol.passwords import PresentPassword

NAME_LEAST_CHARACTERS: Final = 2
NAME_MOST_CHARACTERS: Final = 50
AGE_LEAST_YEARS: Final = 18
AGE_MOST_YEARS: Final = 120
LIMIT_MOST_USERS: Final = 100  # on one page
# To skip users a database has to read them; a cursor costs the same wherever it stands.
PAGE_MOST: Final = 100
EMAIL_MOST_CHARACTERS: Final = 254  # RFC 5321, section 4.5.3.1.3, less the angle brackets

_CONTROLS: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_END: Final = (
    r"$(?!\n)"  # Python's `$` also stands before a line end at the end; JSON Schema's never
)

# One `@`, no white space or control character, and a dot somewhere behind the `@`: whether there
# is such a mailbox only a mail can tell.
Email = Annotated[
    str,
    Meta(
        max_length=EMAIL_MOST_CHARACTERS,
        pattern=rf"^[^@\s{_CONTROLS}]+@[^@\s.{_CONTROLS}]+(\.[^@\s.{_CONTROLS}]+)+{_END}",
        description="an e-mail address, unique whatever the case of its letters",
    ),
]
# Any script may be in a name, in every sense: it is kept as it came and escaped where it is shown.
Name = Annotated[
    str,
    Meta(
        min_length=NAME_LEAST_CHARACTERS,
        max_length=NAME_MOST_CHARACTERS,
        pattern=rf"^(?=.*\S)[^{_CONTROLS}]*{_END}",
        description="2 to 50 printable characters, not all of them spaces",
    ),
]
Age = Annotated[int, Meta(ge=AGE_LEAST_YEARS, le=AGE_MOST_YEARS)]
# A backend is a `service` by its API key; people are one of these.
UserRole = Literal["viewer", "rider", "operator", "admin"]
Version = Annotated[int, Meta(ge=1, le=2**53 - 1)]


def line(most_characters: int) -> Meta:
    """Any text in one line; no database keeps a NUL."""
    return Meta(min_length=1, max_length=most_characters, pattern=rf"^[^{_CONTROLS}]*{_END}")


Cursor = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=1000,
        pattern=rf"^[A-Za-z0-9_-]*{_END}",
        description="the `nextCursor` of a page of the same list in the same order",
    ),
]


class UserBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A body of this resource; a field that is not of it is a mistake, and named as one."""


class NewUser(UserBody, frozen=True, kw_only=True):
    """What makes a user."""

    email: Email
    name: Name
    age: Age | None = None
    role: UserRole = "rider"
    disabled: bool = False


class UserChanges(UserBody, frozen=True, kw_only=True):
    """What is to change of a user; `version` says of which one, and is checked when it is there."""

    email: Email | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    age: Age | UnsetType | None = UNSET
    role: UserRole | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    version: Version | UnsetType = UNSET


class OwnChanges(UserBody, frozen=True, kw_only=True):
    """What everybody may change of themselves: not what they may do here.

    Another `email` takes the present password, or a sign-in of a moment ago where there is none.
    """

    email: Email | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    age: Age | UnsetType | None = UNSET
    version: Version | UnsetType = UNSET
    current_password: PresentPassword | UnsetType = UNSET

    def __repr__(self) -> str:
        """Empty, because a repr ends up in tracebacks."""
        return f"{type(self).__name__}(...)"


class UserView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A user as answers show it."""

    id: str
    email: Email
    name: Name
    age: Age | None
    role: UserRole
    disabled: bool
    created_at: dt.datetime
    updated_at: dt.datetime
    version: Version


USER_FIELDS: Final = tuple(field.encode_name for field in msgspec.structs.fields(UserView))
_FIELD: Final = f"({'|'.join(USER_FIELDS)})"
Selection = Annotated[
    str,
    Meta(
        max_length=200,
        pattern=rf"^{_FIELD}(,{_FIELD})*{_END}",
        description=f"names out of {', '.join(USER_FIELDS)}, separated by commas",
    ),
]


class UserListing(UserBody, frozen=True, kw_only=True):
    """Which users a list shows, and how: the parameters of its URL.

    `cursor` goes on where a page has ended; `page` counts pages from 1 on, from there or from the
    beginning, for lists that are not long. `fields` are names of a user's fields, separated by
    commas.
    """

    role: UserRole | None = None
    disabled: bool | None = None
    email: Annotated[str, line(EMAIL_MOST_CHARACTERS)] | None = None
    name: Annotated[str, line(NAME_MOST_CHARACTERS)] | None = None
    sort: Literal["createdAt", "-createdAt", "name", "-name", "email", "-email"] = "createdAt"
    limit: Annotated[int, Meta(ge=1, le=LIMIT_MOST_USERS)] = 50
    cursor: Cursor | None = None
    page: Annotated[int, Meta(ge=1, le=PAGE_MOST)] | None = None
    fields: Selection | None = None


class UserSelection(UserBody, frozen=True, kw_only=True):
    """Which fields of a user an answer has."""

    fields: Selection | None = None


class Pagination(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Where a page stands among its like; `next_cursor` is null on the last one."""

    limit: int
    next_cursor: str | None = msgspec.field(default_factory=lambda: None)
    page: int | UnsetType = UNSET
    pages: int | UnsetType = UNSET
