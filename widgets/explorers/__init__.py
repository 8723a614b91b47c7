"""Views of what a run learned. base.py says what an explorer is; EXPLORERS in catalog.py lists them."""
