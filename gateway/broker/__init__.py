"""What stands between workers: one contract, a backend each for one process and for many."""
