"""The wire contract: every name, shape and limit that clients and the gateway agree on."""
