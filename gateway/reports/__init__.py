"""What operators are shown of all workers: counted by each, gathered and merged while one looks."""
