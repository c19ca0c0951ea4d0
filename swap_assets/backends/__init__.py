"""The outside world, one library a file: heavy imports inside the functions, domain types out."""
