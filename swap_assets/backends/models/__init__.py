"""What is known of a model before and while it is loaded: weights, tokenizer, template, checks."""
