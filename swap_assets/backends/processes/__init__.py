"""Processes that load a model: their specs, how they are started, watched and given a card."""
