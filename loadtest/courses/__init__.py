"""This package owns the courses: how the scenarios of one kind are driven, from the first connection to the numbers."""
