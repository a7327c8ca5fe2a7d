"""This module owns the table of URLs."""

from __future__ import annotations

import msgspec
from aiohttp import web

from gateway.rest.audit import AuditResource
from gateway.rest.documents import DocumentsResource
from gateway.rest.events import EventsResource
from gateway.rest.health import HealthResource
from gateway.rest.histories import HistoriesResource
from gateway.rest.keys import KeysResource
from gateway.rest.me import MeResource
from gateway.rest.members import MembersResource
from gateway.rest.proofs import ProofsResource
from gateway.rest.sessions import SessionsResource
from gateway.rest.sign_in import SignInResource
from gateway.rest.snapshots import SnapshotsResource
from gateway.rest.streaming import StreamingResource
from gateway.rest.trackers import TrackersResource
from gateway.rest.users import UsersResource
from gateway.rest.workers import WorkersResource


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """What the URLs lead to."""

    health: HealthResource
    events: EventsResource
    snapshots: SnapshotsResource
    histories: HistoriesResource
    streaming: StreamingResource
    trackers: TrackersResource
    members: MembersResource
    users: UsersResource
    me: MeResource
    sessions: SessionsResource
    proofs: ProofsResource
    sign_in: SignInResource
    keys: KeysResource
    workers: WorkersResource
    audit: AuditResource
    documents: DocumentsResource


def routes_of(to: Resources) -> list[web.RouteDef]:
    """Every URL but the Socket.IO endpoint. Of two that fit the first one counts."""
    return [
        *to.health.routes(),
        web.get("/openapi.json", to.documents.openapi),
        web.get("/docs", to.documents.docs),
        web.post("/api/rooms/{roomId}/events", to.events.post),
        web.get("/api/rooms/{roomId}/events", to.streaming.get, allow_head=False),
        web.get("/api/rooms/{roomId}/snapshot", to.snapshots.get),
        web.get("/api/rooms/{roomId}/history", to.histories.get),
        web.post("/api/tickets", to.streaming.post_ticket),
        web.post("/api/trackers/owntracks", to.trackers.post_owntracks),
        web.get("/api/trackers/osmand", to.trackers.osmand, allow_head=False),
        web.post("/api/trackers/osmand", to.trackers.osmand),
        web.get("/api/rooms/{roomId}/members", to.members.list),
        web.delete("/api/rooms/{roomId}/members/{peerId}", to.members.remove),
        web.delete("/api/peers", to.members.dismiss),
        web.get("/api/users/me", to.me.get),
        web.patch("/api/users/me", to.me.patch),
        web.put("/api/users/me/password", to.sessions.put_own_password),
        web.get("/api/users/me/verification", to.proofs.get_own),
        web.post("/api/users/me/verification", to.proofs.post_own),
        # Those that begin alike are tried one after the other: first what is asked for most.
        web.get("/api/users/{userId:(?!me$|me/)[^/]+}", to.users.get),
        web.patch("/api/users/{userId:(?!me$|me/)[^/]+}", to.users.patch),
        web.delete("/api/users/{userId:(?!me$|me/)[^/]+}", to.users.delete),
        web.get("/api/users", to.users.get_many),
        web.post("/api/users", to.users.post),
        web.put("/api/users/{userId:(?!me$|me/)[^/]+}/password", to.sessions.put_password),
        web.get("/api/users/{userId:(?!me$|me/)[^/]+}/sessions", to.sessions.get_of_user),
        web.delete("/api/users/{userId:(?!me$|me/)[^/]+}/sessions", to.sessions.delete_of_user),
        web.post("/api/sessions", to.sessions.post),
        web.get("/api/sessions", to.sessions.get_own),
        web.post("/api/sessions/refresh", to.sessions.refresh),
        web.post("/api/sessions/exchange", to.sign_in.exchange),
        web.delete("/api/sessions/current", to.sessions.delete_current),
        web.post("/api/verifications", to.proofs.verify),
        web.post("/api/password-resets", to.proofs.ask_reset),
        web.post("/api/password-resets/confirm", to.proofs.reset),
        web.delete(
            "/api/sessions/{sessionId:(?!current$|refresh$|exchange$)[^/]+}", to.sessions.delete
        ),
        # A provider's answer counts once, so nobody may look at it with HEAD beforehand.
        web.get("/api/sign-in", to.sign_in.list),
        web.get("/api/sign-in/{provider}", to.sign_in.begin, allow_head=False),
        web.get("/api/sign-in/{provider}/callback", to.sign_in.callback, allow_head=False),
        web.get("/api/sign-in/{provider}/sign-out", to.sign_in.sign_out, allow_head=False),
        web.get("/api/keys", to.keys.get_all),
        web.post("/api/keys", to.keys.post),
        web.get("/api/keys/{keyId}", to.keys.get),
        web.delete("/api/keys/{keyId}", to.keys.delete),
        web.post("/api/keys/{keyId}/rotate", to.keys.rotate),
        web.get("/api/workers", to.workers.list),
        web.post("/api/workers/{workerId}/drain", to.workers.drain),
        web.get("/api/audit", to.audit.get),
    ]
