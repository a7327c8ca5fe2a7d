"""A fleet that does not exist, for whoever has none yet: a city, its bikes, their publishing."""
