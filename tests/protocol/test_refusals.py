import re

import pytest

from protocol.refusals import Goodbye, Refusal, Refused


@pytest.mark.parametrize("refusal", Refusal)
def test_a_refusal_has_a_code_for_programs_a_status_and_a_sentence(refusal: Refusal) -> None:
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", refusal.code)
    assert 400 <= refusal.status < 600
    assert refusal.sentence


def test_every_refusal_is_a_member_of_its_own() -> None:
    # An enum makes two members with equal values one: then a code would be lost.
    assert len(Refusal) == len(Refusal.__members__)
    assert len(Goodbye) == len(Goodbye.__members__) == len({goodbye.code for goodbye in Goodbye})


@pytest.mark.parametrize("goodbye", Goodbye)
def test_a_goodbye_says_whether_to_come_back_by_its_range(goodbye: Goodbye) -> None:
    assert 3000 <= goodbye.code <= 3999
    assert goodbye.may_return is (goodbye.code <= 3499)


@pytest.mark.parametrize("name", ["REMOVED", "DISABLED", "REVOKED", "PROTOCOL_ERROR"])
def test_who_was_sent_away_for_good_reason_does_not_come_back(name: str) -> None:
    assert not Goodbye[name].may_return


BODIES: list[tuple[Refused, dict[str, object]]] = [
    (
        Refused(Refusal.TOO_FAST),
        {"code": "TOO_FAST", "message": "Too many requests; slow down."},
    ),
    (Refused(Refusal.FORBIDDEN, "Not you."), {"code": "FORBIDDEN", "message": "Not you."}),
    (
        Refused(Refusal.TOO_LARGE, "Too big.", details={"limitBytes": 5}),
        {"code": "TOO_LARGE", "message": "Too big.", "details": {"limitBytes": 5}},
    ),
    (
        Refused(Refusal.UNAVAILABLE, "Later.", retry_after_ms=250),
        {"code": "UNAVAILABLE", "message": "Later.", "details": {"retryAfterMs": 250}},
    ),
    (
        Refused(Refusal.UNAVAILABLE, "Later.", details={"broker": "away"}, retry_after_ms=0),
        {
            "code": "UNAVAILABLE",
            "message": "Later.",
            "details": {"broker": "away", "retryAfterMs": 0},
        },
    ),
]


@pytest.mark.parametrize(("refused", "body"), BODIES)
def test_a_refusal_carries_its_own_answer(refused: Refused, body: dict[str, object]) -> None:
    assert refused.body() == body


def test_answering_twice_leaves_the_details_as_they_were() -> None:
    details = {"broker": "away"}
    refused = Refused(Refusal.UNAVAILABLE, details=details, retry_after_ms=5)

    assert refused.body() == refused.body()
    assert details == {"broker": "away"}
