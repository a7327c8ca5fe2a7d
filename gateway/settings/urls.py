"""This module owns what a URL must be like that secrets are sent to."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether the host is this machine, as nobody else can reach it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_safe_url(text: str) -> bool:
    """Whether it is https, or leads to this machine."""
    try:
        url = urlsplit(text)
        is_url = bool(url.hostname) and url.port != 0 and url.username is None and not url.fragment
    except ValueError:
        return False
    # It becomes part of headers; and what browsers read as a slash is none to us.
    if not is_url or not re.fullmatch(r"[!-\[\]-~]+", text):
        return False
    return url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname or ""))
