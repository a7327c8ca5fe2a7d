"""This module owns `/api/trackers`: phones that report where they are, with programs of others.

Such a program keeps a report until it is answered 200, and the ones behind it as well. So a report
that comes too late to be of use is answered like any other, and goes nowhere: a no would come again
for ever. Whatever can be put right, at the phone or here, is answered with what is wrong.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web
from msgspec import UNSET

from gateway.addresses import Network, address_of
from gateway.authentication import Authenticator, password_of
from gateway.hub import Hub
from gateway.identity import Identity, is_api_key, is_tracker_code, is_tracker_id, key_id_of
from gateway.logs import Offences
from gateway.metrics import Metrics
from gateway.rest import problems
from gateway.rest.problems import json_response
from gateway.rest.publishing import publish
from gateway.rest.requests import JSON, body_bytes_of
from gateway.rooms.pacing import Pacing, too_fast
from protocol import codec
from protocol.bodies import invalid, parameters_of
from protocol.refusals import Refusal, Refused
from protocol.rooms import check_room_name
from protocol.trackers import osmand, owntracks
from protocol.trackers.osmand import FORM, Report
from protocol.trackers.owntracks import OwnTracksQuery
from protocol.trackers.report import Reported
from protocol.trackers.sighting import Told, sighting_of

_PARAMETERS_LIMIT: Final = 100
_BIKE_PREFIX: Final = "tracker-"
_NAME_OF_BIKE: Final = re.compile(r"[\x21-\x7E]{1,100}")
_TOO_OLD: Final = "The location is more than a day old."
_NO_LOCATION: Final = "The program says that it does not know the location."
_ANY_ROOM: Final = "The key is not for one room alone: say which in the URL, with `?room=`."
_NOT_IN_URLS: Final = (
    "This is an API key. What stands in a URL is read by others, so only a tracker code is taken "
    "here: `paceline keys create --tracker` makes one. Revoke this key."
)


class TrackersResource:
    """What phones report becomes bike-updates, which take the way of all others."""

    def __init__(  # noqa: PLR0913, PLR0917 - these are the parts that meet here
        self,
        hub: Hub,
        authenticator: Authenticator,
        pacing: Pacing,
        metrics: Metrics,
        offences: Offences,
        trusted_proxies: Sequence[Network] = (),
    ) -> None:
        self._hub = hub
        self._authenticator = authenticator
        self._pacing = pacing
        self._metrics = metrics
        self._offences = offences
        self._trusted_proxies = trusted_proxies

    async def post_owntracks(self, request: web.Request) -> web.Response:
        """Take a message of OwnTracks; the answer is a list of what the phone is to do: nothing."""
        request[problems.CHALLENGE] = 'Basic realm="Paceline", charset="UTF-8"'
        identity = await self._identity_of_password(request)
        self._pace(identity)
        query = parameters_of(request.query.items(), OwnTracksQuery)
        told = owntracks.told_of(await body_bytes_of(request) if request.body_exists else b"")
        if told is not None:
            room, bike_id = _room_of(identity, query.room), _bike_of(identity, query.bike)
            self._note(request, await self._report(identity, room, bike_id, told))
        return json_response([])

    async def osmand(self, request: web.Request) -> web.Response:
        """Take a report of OsmAnd or Traccar Client, in whichever of its forms."""
        report = await _report_of(request)
        identity = await self._identity_of_code(report.code)
        self._pace(identity)
        room, bike_id = _room_of(identity, None), _bike_of(identity, None)
        if report.told is None:
            reported = Reported(room, bike_id, ignored=_NO_LOCATION)
        else:
            reported = await self._report(identity, room, bike_id, report.told)
        self._note(request, reported)
        return json_response({"data": reported})

    async def _identity_of_password(self, request: web.Request) -> Identity:
        password = password_of(request.headers.get("Authorization"))
        if password is None:
            raise Refused(Refusal.UNAUTHENTICATED, "The password is a tracker code or an API key.")
        if is_tracker_code(password):
            return await self._authenticator.identify_tracker(password)
        if not is_api_key(password):
            raise Refused(Refusal.TOKEN_INVALID, "The password is a tracker code or an API key.")
        return await self._authenticator.identify(password)

    async def _identity_of_code(self, code: str | None) -> Identity:
        if code is None:
            raise Refused(Refusal.UNAUTHENTICATED, "The device identifier is a tracker code.")
        if is_api_key(code):
            raise Refused(Refusal.FORBIDDEN, _NOT_IN_URLS)
        return await self._authenticator.identify_tracker(code)

    def _pace(self, identity: Identity) -> None:
        wait_seconds = self._pacing.take_report(identity, time.monotonic())
        if wait_seconds:
            raise too_fast(wait_seconds)

    async def _report(self, identity: Identity, room: str, bike_id: str, told: Told) -> Reported:
        now_ms = time.time_ns() // 1_000_000
        sighting = sighting_of(told, now_ms)
        if sighting.is_too_old(now_ms):
            return Reported(room, bike_id, ignored=_TOO_OLD)
        update = codec.bike_update_of(sighting.payload(bike_id), None, room)
        receipt = await publish(self._hub, self._metrics, identity, update)
        return Reported(room, bike_id, str(receipt.cursor))

    def _note(self, request: web.Request, reported: Reported) -> None:
        """Count what went nowhere, and write it down: the phone shows nothing of it."""
        if reported.ignored is not UNSET:
            self._metrics.note_refusal(Refusal.INVALID)
            self._offences.note(
                "report ignored",
                address_of(request, self._trusted_proxies),
                bike=reported.bike_id,
                room=reported.room_id,
                why=reported.ignored,
            )


async def _report_of(request: web.Request) -> Report:
    """A URL with parameters says it all; else it is in the body."""
    if request.query or not request.body_exists:
        return osmand.report_of_parameters(request.query.items())
    body = await body_bytes_of(request, JSON, FORM)
    if request.content_type == FORM:
        return osmand.report_of_parameters(_pairs_of(body))
    return osmand.report_of_json(body)


def _pairs_of(form: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(form.decode(), max_num_fields=_PARAMETERS_LIMIT)
    except ValueError as error:
        raise Refused(Refusal.TOO_LARGE, details={"limitItems": _PARAMETERS_LIMIT}) from error


def _room_of(identity: Identity, wanted: str | None) -> str:
    """The room that was asked for, which the hub checks, or the only one there is."""
    if wanted is not None:
        return check_room_name(wanted)
    rooms = identity.grants.publish or ()
    if len(rooms) != 1 or "*" in rooms[0]:
        raise invalid({"room": _ANY_ROOM})
    return rooms[0]


def _bike_of(identity: Identity, wanted: str | None) -> str:
    """The bike that a key asks for; without, and for a tracker code always, the key's own."""
    key_id = key_id_of(identity.subject)
    assert key_id is not None, "nobody else comes here"
    if wanted is not None:
        if is_tracker_id(key_id):
            raise Refused(Refusal.FORBIDDEN, "A tracker code reports one bike: leave `bike` out.")
        return wanted
    name = identity.key_name or ""
    return f"{_BIKE_PREFIX}{name if _NAME_OF_BIKE.fullmatch(name) else key_id}"
