"""Lessons: claims of the lecture as experiments. LESSONS.md says how to write one.

`reading.py` reads a lesson and `checking.py` checks its runs, `plan.py` says what a project still lacks of it,
`running.py` makes that without a window, `outcome.py` says what came of it.
"""
