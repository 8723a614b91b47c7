"""What a person asks of a run. Each question is a small frozen value, called with a `Subject` on the inference thread.

Questions take and give numpy arrays on the CPU; they never change the subject. Those that draw random numbers and are
asked again for newer weights carry a `seed`, so that what changes between two answers is the model.
"""
