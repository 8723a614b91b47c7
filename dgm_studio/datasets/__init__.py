"""Data: one module per source. See base.py for what a source and a data set are, sources.py for the list."""
