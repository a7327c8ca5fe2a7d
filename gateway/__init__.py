"""The gateway: one process that takes connections, publications and questions."""
