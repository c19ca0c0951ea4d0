"""The experiment file, typed, and what running it would take."""
