"""This module owns places of workers that tests make up."""

from __future__ import annotations

from gateway.workers.place import WorkerPlace


def place_of(worker_id: str, *, host: str = "host", url: str = "http://h:1") -> WorkerPlace:
    return WorkerPlace(
        worker_id=worker_id,
        host_id=host,
        process_id=7,
        socket_path=f"/run/{worker_id}.sock",
        url=url,
        started_at_ms=1,
        version="1",
    )
