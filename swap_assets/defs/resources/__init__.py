"""What assets may use of the outside world, one resource a file; nothing else in `defs` imports backends."""
