"""The HTTP door: from requests to the hub, and from refusals to answers."""
