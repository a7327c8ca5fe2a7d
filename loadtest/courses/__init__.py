"""This package owns the courses: how the scenarios of one kind are driven."""
