"""Decisions about rooms: pure, with no I/O, no clock and no log."""
