"""This module owns the rows about trackers over HTTP."""

from __future__ import annotations

from typing import Final

from protocol.operations.operation import Operation, OtherBody
from protocol.refusals import Refusal
from protocol.trackers.osmand import FORM, OsmAndParameters, OsmAndReport
from protocol.trackers.owntracks import OwnTracksMessage, OwnTracksQuery
from protocol.trackers.report import Reported

_CODE: Final = (
    Refusal.UNAUTHENTICATED,
    Refusal.TOKEN_INVALID,
    Refusal.TOKEN_EXPIRED,
    Refusal.FORBIDDEN,
)

TRACKERS: Final = (
    Operation(
        method="POST",
        path="/api/trackers/owntracks",
        summary="Report a phone's location, as OwnTracks does in its HTTP mode.",
        access="basic",
        body=OwnTracksMessage,
        parameters=OwnTracksQuery,
        is_bare=True,
        refusals=(Refusal.INVALID_ROOM,),
    ),
    Operation(
        method="GET",
        path="/api/trackers/osmand",
        summary="Report a phone's location, as OsmAnd does.",
        access="anybody",  # `id` is the secret
        parameters=OsmAndParameters,
        answer=Reported,
        refusals=(Refusal.MALFORMED, *_CODE),
    ),
    Operation(
        method="POST",
        path="/api/trackers/osmand",
        summary="Report a phone's location, as Traccar Client does.",
        access="anybody",
        body=OsmAndReport,
        other_bodies=(OtherBody(FORM, OsmAndParameters),),
        parameters=OsmAndParameters,
        answer=Reported,
        refusals=_CODE,
    ),
)
