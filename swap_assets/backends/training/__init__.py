"""Training one LoRA adapter with peft and trl."""
