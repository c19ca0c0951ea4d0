"""Answers of hosted LLMs through the openai client, and the stand-in server of the demo."""
