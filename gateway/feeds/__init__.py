"""Ways in from outside: the GBFS bridge and what it is made of."""
