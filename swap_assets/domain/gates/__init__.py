"""The gates: which run comes next, or why none does. Each is an entry of one list over one reading of the state."""
