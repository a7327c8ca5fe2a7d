"""The broker of many processes: rooms live in Redis, and each worker follows those it needs."""
