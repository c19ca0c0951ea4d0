"""What a data set is like, in numbers and words, and what sizes fit it."""
