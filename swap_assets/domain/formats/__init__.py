"""Answer formats: their words in the prompt, how calls are written, how an answer is read, its grammar."""
