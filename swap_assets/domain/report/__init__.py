"""The comparison report: one typed object, and its texts."""
