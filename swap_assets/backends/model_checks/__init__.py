"""What is looked at of a small model before anything is downloaded or put on a card; each check is one sentence."""
