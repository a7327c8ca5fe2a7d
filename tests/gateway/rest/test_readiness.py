from gateway.broker.contract import BrokerUnavailable
from gateway.broker.memory import MemoryBroker, MemoryRooms
from gateway.rest.readiness import Readiness
from gateway.settings import RoomKind


class Broker(MemoryBroker):
    """One that is away when told to."""

    is_away = False

    async def ping(self) -> None:
        if self.is_away:
            raise BrokerUnavailable(reason="why")


async def test_how_long_a_check_fails_is_told_and_forgotten_when_it_passes() -> None:
    broker, now = Broker(MemoryRooms(lambda _: RoomKind())), [1000.0]
    readiness = Readiness(broker, broker, lambda: now[0])
    told = []
    for seconds, is_away in ((0, True), (4, True), (2, False), (1, True)):
        now[0] += seconds
        broker.is_away = is_away
        await readiness.look(is_draining=False)
        told.append(readiness.told().get("reasons", {}).get("broker", {}).get("seconds"))

    assert told == [0.0, 4.0, None, 0.0]
