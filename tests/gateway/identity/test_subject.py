import pytest

from gateway.identity import (
    PERMISSIONS_OF_ROLE,
    Grants,
    Identity,
    Permission,
    Role,
    development_identity,
)

JOIN, PUBLISH, OPERATE, MANAGE = Permission


@pytest.mark.parametrize(
    ("role", "permissions"),
    [
        (Role.VIEWER, {JOIN}),
        (Role.RIDER, {JOIN, PUBLISH}),
        (Role.OPERATOR, {JOIN, PUBLISH, OPERATE}),
        (Role.ADMIN, {JOIN, PUBLISH, OPERATE, MANAGE}),
        (Role.SERVICE, {JOIN, PUBLISH}),
    ],
)
def test_a_role_may_do_what_the_table_says(role: Role, permissions: set[Permission]) -> None:
    identity = Identity("ada", role)
    assert {permission for permission in Permission if identity.may(permission)} == permissions


def test_every_role_stands_in_the_table() -> None:
    assert set(PERMISSIONS_OF_ROLE) == set(Role)


def test_without_grants_a_role_is_as_wide_as_it_is() -> None:
    assert Identity("ada", Role.RIDER).may_join("anything")
    assert Identity("ada", Role.RIDER).may_publish("anything")
    assert not Identity("ada", Role.VIEWER).may_publish("anything")


def test_grants_narrow_a_role_to_rooms_each_permission_by_itself() -> None:
    identity = Identity("ada", Role.RIDER, Grants(join=("city:*",), publish=("city:paris",)))
    assert identity.may_join("city:rome")
    assert not identity.may_join("depot")
    assert identity.may_publish("city:paris")
    assert not identity.may_publish("city:rome")


def test_no_grants_at_all_are_no_rooms_at_all() -> None:
    identity = Identity("ada", Role.ADMIN, Grants(join=(), publish=()))
    assert not identity.may_join("city:paris")
    assert not identity.may_publish("city:paris")


def test_grants_never_widen_a_role() -> None:
    assert not Identity("ada", Role.VIEWER, Grants(publish=("*",))).may_publish("city:paris")


def test_the_anonymous_rider_of_development_may_publish_anywhere() -> None:
    identity = development_identity("x7")
    assert (identity.subject, identity.role) == ("anonymous-x7", Role.RIDER)
    assert identity.may_publish("city:paris")
    assert identity.expires_at_seconds is None
