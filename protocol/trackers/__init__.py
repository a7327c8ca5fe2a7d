"""This package owns what programs on phones say of where they are, each in its own words."""
