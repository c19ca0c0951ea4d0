"""What the experiment means: plain Python and pydantic.

No Dagster, torch, files, network or clock in here; randomness only from a seed.
"""
