"""This package owns the servers that the gateway is compared with: same rooms, same events, same tokens."""
