"""How often one may ask over HTTP: a table of limits, counted in this process or through Redis."""
