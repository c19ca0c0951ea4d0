"""Dagster shells: get, compute, record. No arithmetic, no parsing, no prompts."""
