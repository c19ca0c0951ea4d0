"""What is told to MLflow, Langfuse and a webhook."""
