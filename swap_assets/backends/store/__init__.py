"""The experiment's folder: values of assets, rows on disk, the experiment file."""
