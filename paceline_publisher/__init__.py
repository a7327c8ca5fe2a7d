"""Publishes into rooms of a Paceline gateway; the standard library is all it needs.

    from paceline_publisher import Publisher

    with Publisher("https://bikes.example", token="pk_...") as publisher:
        publisher.update("city:paris", {"bike_id": "7", "lat": 48.8566, "lon": 2.3522})

What was published is in the room once, whatever became of the connection or the gateway meanwhile.
`AsyncPublisher` is the same for programs that await.
"""

from paceline_publisher.asynchronous import AsyncPublisher
from paceline_publisher.errors import PublishError, Refused, Unanswered
from paceline_publisher.events import Event, Receipt
from paceline_publisher.publisher import Publisher

__all__ = [
    "AsyncPublisher",
    "Event",
    "PublishError",
    "Publisher",
    "Receipt",
    "Refused",
    "Unanswered",
]
