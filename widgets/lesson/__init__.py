"""The parts of the Lesson page."""
