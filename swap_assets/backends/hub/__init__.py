"""The Hugging Face hub: access to models, files of data sets, publishing."""
