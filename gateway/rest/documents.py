"""This module owns `/openapi.json` and `/docs`: the REST side, for tools and for people."""

from __future__ import annotations

import re
from html import escape
from itertools import groupby
from typing import Final

import msgspec
from aiohttp import web

from protocol.openapi import openapi_document
from protocol.operations import OPERATIONS, Operation, refusals_of

# Nothing but the page and its own style: no script, no picture, no other host.
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
code, .path { font-family: ui-monospace, monospace } h2 { margin-top: 2.5rem }
table { border-collapse: collapse; width: 100% } td { border-top: 1px solid #8884; padding: .4rem }
td { vertical-align: top } .path { white-space: nowrap } @media (prefers-color-scheme: dark) {
body { background: #111; color: #ddd } a { color: #8bf } }
"""


class DocumentsResource:
    """Both are made once: they change with the program and with nothing else."""

    def __init__(self) -> None:
        self._openapi = msgspec.json.encode(openapi_document())
        self._page = _page().encode()

    async def openapi(self, request: web.Request) -> web.Response:  # noqa: ARG002 - aiohttp's signature
        """The description for tools."""
        return web.Response(body=self._openapi, content_type="application/json")

    async def docs(self, request: web.Request) -> web.Response:  # noqa: ARG002 - as above
        """The same for people, without a script and from no other host."""
        headers = {"Content-Security-Policy": _POLICY}
        return web.Response(
            body=self._page, content_type="text/html", charset="utf-8", headers=headers
        )


def _page() -> str:
    sections = "".join(
        f"<h2>{escape(tag)}</h2><table>{''.join(map(_row, rows))}</table>"
        for tag, rows in groupby(sorted(OPERATIONS, key=_tag_of), _tag_of)
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Paceline: HTTP</title><style>{_STYLE}</style><h1>Paceline: HTTP</h1>"
        "<p>Answers are <code>{data, meta?}</code>"
        " or <code>{error: {code, message, details?}}</code>."
        ' For tools: <a href="/openapi.json">/openapi.json</a>.</p>'
        f"{sections}</html>"
    )


def _row(operation: Operation) -> str:
    codes = " ".join(f"<code>{refusal.code}</code>" for refusal in refusals_of(operation))
    told = [escape(operation.summary), f"For {escape(_WHOM[operation.access])}."]
    if operation.body is not None:
        told.append(f"Body: <code>{{{escape(_fields_of(operation.body))}}}</code>.")
    if operation.parameters is not None:
        told.append(f"Parameters: <code>{escape(_fields_of(operation.parameters))}</code>.")
    if operation.headers:
        told.append(f"Headers: <code>{escape(', '.join(operation.headers))}</code>.")
    told.append(f"{operation.status}, or {codes}")
    path = re.sub(r"({\w+})", r"<i>\1</i>", escape(operation.path))
    return f'<tr><td class="path"><b>{operation.method}</b> {path}<td>{"<br>".join(told)}'


_WHOM: Final = {
    "anybody": "anybody",
    "token": "everybody with a token",
    "operator": "operators",
    "admin": "administrators",
}


def _fields_of(shape: type[msgspec.Struct]) -> str:
    fields = msgspec.structs.fields(shape)
    return ", ".join(field.encode_name + ("" if field.required else "?") for field in fields)


def _tag_of(operation: Operation) -> str:
    return operation.path.split("/")[2]
