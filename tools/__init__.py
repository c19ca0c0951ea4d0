"""What made things and is not shipped."""
