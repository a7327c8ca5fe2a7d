"""This package owns the servers that the gateway is compared with: same events, same tokens."""
