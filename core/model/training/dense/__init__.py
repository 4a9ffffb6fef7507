"""Training of the dense single-view network: objects, samples, batches, losses, runs.

For ``core.model.jobs`` and ``core.model.evaluation``.
"""
