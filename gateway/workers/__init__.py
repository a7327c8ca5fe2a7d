"""Many processes, one gateway: who there is, how they hand requests on, how they come and go."""
