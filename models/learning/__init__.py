"""Learners: what changes a model's parameters."""
