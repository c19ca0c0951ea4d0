"""Which run comes next: pure functions from what has been recorded to the runs that are due, or why none is."""
