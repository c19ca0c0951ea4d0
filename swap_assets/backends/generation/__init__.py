"""Answers of local models through transformers."""
