"""The schema in versions; Alembic reads `versions/`, and `env.py` for how to run them."""
