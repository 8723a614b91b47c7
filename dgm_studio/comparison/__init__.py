"""Runs beside each other: what was set differently, and which of their figures may be compared."""
