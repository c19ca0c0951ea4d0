"""The report outside the domain: reading its evidence, plots, HTML, CSV, model cards, and the files on disk."""
