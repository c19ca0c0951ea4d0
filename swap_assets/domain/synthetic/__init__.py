"""The seeded generator of Hermes-format conversations and the words, values and tools it draws from."""
