"""From expected and given answers to scores with their evidence, and from scores to summaries."""
