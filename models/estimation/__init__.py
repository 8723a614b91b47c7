"""Estimators: what measures a model. Each result is a Measure that says what kind of number it is."""
