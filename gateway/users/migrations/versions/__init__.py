"""One module for each version of the schema, forward and back."""
