"""From summaries to verdicts: statistics, success criteria, the gates and their policy, decisions."""
