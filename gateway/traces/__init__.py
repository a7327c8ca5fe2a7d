"""Traces by OpenTelemetry, for those who ask for them; see `choice.py` for when that is."""
