"""Lessons: claims of the lecture as experiments. LESSONS.md says how to write one.

`format.py` reads a lesson, `plan.py` says what a project still lacks of it, `running.py` makes that without a window,
`outcome.py` says what came of it.
"""
