"""The door of a hub under test: it gathers and writes as the real one does, into records."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from gateway.identity import Identity, Role
from gateway.rooms.membership import Membership, Peer, RoomReaders
from gateway.rooms.publication import Publication
from protocol.events import Joined
from protocol.refusals import Goodbye

Entry = Publication | Joined


class RecordedPeers:
    """Fulfils the hub's `Peers`; `records` has what each peer was sent, answers included."""

    def __init__(self) -> None:
        self.membership: Membership | None = None
        self.records: defaultdict[Peer, list[Entry]] = defaultdict(list)
        self.goodbyes: dict[Peer, Goodbye] = {}
        self.sent_to_strangers: list[Publication] = []
        self._window: list[tuple[RoomReaders, Publication]] = []
        self._flush_handle: asyncio.Handle | None = None

    def deliver(self, readers: RoomReaders, publication: Publication) -> None:
        self._window.append((readers, publication))
        if self._flush_handle is None:
            self._flush_handle = asyncio.get_running_loop().call_soon(self.flush)

    def send(self, peer: Peer, publication: Publication) -> None:
        assert self.membership is not None
        if self.membership.peers.get(peer.id) is peer:
            self.records[peer].append(publication)
        else:
            self.sent_to_strangers.append(publication)

    def hand_over(self, peer: Peer) -> None:  # noqa: ARG002 - to everybody at once here
        self.flush()

    def flush(self) -> None:
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        window, self._window = self._window, []
        for readers, publication in window:
            for audience in readers.audiences:
                for peer in (*audience.fast, *audience.slow):
                    if peer.id != publication.author:
                        self.send(peer, publication)

    def dismiss(self, peer: Peer, goodbye: Goodbye) -> None:
        self.goodbyes[peer] = goodbye

    def told(self, peer: Peer) -> list[Publication]:
        """What the peer was sent, without the answers."""
        self.flush()
        return [entry for entry in self.records[peer] if isinstance(entry, Publication)]

    def offsets(self, peer: Peer) -> list[int]:
        return [publication.offset for publication in self.told(peer)]

    def answers(self, peer: Peer) -> list[Joined]:
        return [entry for entry in self.records[peer] if isinstance(entry, Joined)]


def rider(name: str, write: None = None) -> Peer:
    """A peer that may do everything a rider may."""
    return Peer(name, Identity(f"subject of {name}", Role.RIDER), write)
