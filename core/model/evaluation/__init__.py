"""How good the networks are: test cases, baselines, tables of metrics, speed and cost.

For ``core.model.training``, which calibrates with it, and ``core.model.jobs``; may use inference.
"""
