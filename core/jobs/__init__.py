"""Long work and the processes that run it: tasks as generators, worker processes, messages.

May import the standard library, numpy and ``core.errors`` only. Everything above may use it.
"""
