"""The lecture: distributions (this folder), how they learn (learning/), how they are measured (estimation/)."""
