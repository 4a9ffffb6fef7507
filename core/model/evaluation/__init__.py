"""How good the networks are: test cases, baselines, metrics' tables, speed and cost.

For ``core.model.jobs``; may use everything in ``core.model`` but the jobs.
"""
