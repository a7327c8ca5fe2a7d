"""Accounts: what a user is, the contract of where users are kept, and the databases that do."""
