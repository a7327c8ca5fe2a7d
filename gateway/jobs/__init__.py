"""Work that is owed, done: housekeeping, backups, mail and webhooks."""
