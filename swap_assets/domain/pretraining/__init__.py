"""The seeded stream that the miniature models are pre-trained on; nothing of the demo is in it."""
