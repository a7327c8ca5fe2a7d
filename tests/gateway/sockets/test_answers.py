import json

from gateway.sockets import answers


def test_a_refusal_says_why_in_the_words_of_the_reference_server() -> None:
    response = answers.refusal(400, answers.SESSION_UNKNOWN)

    assert response.status == 400
    assert response.content_type == "application/json"
    assert isinstance(response.body, bytes)
    assert json.loads(response.body) == {"code": 1, "message": "Session ID unknown"}


def test_a_refusal_may_say_when_to_come_back() -> None:
    assert answers.refusal(503, answers.BAD_REQUEST, 7).headers["Retry-After"] == "7"
    assert "Retry-After" not in answers.refusal(400, answers.BAD_REQUEST).headers


def test_packets_are_text_that_no_cache_keeps() -> None:
    response = answers.payload("4ü".encode())

    assert response.headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert response.headers["Cache-Control"] == "no-store"


def test_a_post_is_answered_with_two_small_letters() -> None:
    assert answers.taken().body == b"ok"


def test_an_allowed_page_may_read_the_answer_and_no_cache_gives_it_to_another() -> None:
    response = answers.preflight()
    answers.let_read(response, "https://app.example")

    assert response.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert response.headers["Vary"] == "Origin"
