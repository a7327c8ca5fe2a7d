"""This module owns the rows about users over HTTP."""

from __future__ import annotations

from typing import Final

from protocol.operations.operation import (
    CHANGED,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    NOT_FOUND,
    TAKEN,
    USER,
    Operation,
)
from protocol.refusals import Refusal
from protocol.users import (
    NewUser,
    OwnChanges,
    Pagination,
    UserChanges,
    UserListing,
    UserSelection,
    UserView,
)

USERS: Final = (
    Operation(
        method="GET",
        path="/api/users",
        summary="A page of users.",
        parameters=UserListing,
        answer=UserView,
        is_list=True,
        pages=Pagination,
        refusals=(Refusal.INVALID_CURSOR,),
    ),
    Operation(
        method="POST",
        path="/api/users",
        summary="Make a user.",
        body=NewUser,
        headers=(IDEMPOTENCY_KEY,),
        status=201,
        answer=UserView,
        refusals=(Refusal.EMAIL_TAKEN,),
    ),
    Operation(
        method="GET",
        path="/api/users/me",
        summary="The user whose id is the subject of the token.",
        access="token",
        parameters=UserSelection,
        headers=(IF_NONE_MATCH,),
        answer=UserView,
        refusals=NOT_FOUND,
    ),
    Operation(
        method="PATCH",
        path="/api/users/me",
        summary="Change some of one's own fields.",
        access="token",
        body=OwnChanges,
        headers=(IF_MATCH,),
        answer=UserView,
        refusals=(*TAKEN, Refusal.SIGN_IN_AGAIN),
        limited_as="password",  # another address takes one
    ),
    Operation(
        method="GET",
        path=USER,
        summary="One user.",
        parameters=UserSelection,
        headers=(IF_NONE_MATCH,),
        answer=UserView,
        refusals=NOT_FOUND,
    ),
    Operation(
        method="PATCH",
        path=USER,
        summary="Change some fields of a user.",
        body=UserChanges,
        headers=(IF_MATCH,),
        answer=UserView,
        refusals=TAKEN,
    ),
    Operation(
        method="DELETE",
        path=USER,
        summary="Delete a user.",
        headers=(IF_MATCH,),
        status=204,
        refusals=(*CHANGED, Refusal.CONFLICT, Refusal.METHOD_NOT_ALLOWED),  # `me` is no id
    ),
)
