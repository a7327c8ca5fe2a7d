"""The Socket.IO door: from bytes on a connection to the hub, and from the hub to bytes."""
