"""The campaign of faults: each part is a module that tries things and counts what became of each."""
