"""This package owns the measuring: riders that load a server, servers to compare with, the report.

It drives the gateway from outside, as any client would, and imports none of it.
"""
