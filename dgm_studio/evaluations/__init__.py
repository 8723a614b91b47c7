"""Evaluations: one module each. See base.py for what one is, dgm_studio/evaluation.py for the list."""
