"""Measurements, each beside a peer from the same run; `make bench` runs them all."""
