"""Training of the networks: objects and batches from training sets, losses, checkpoints, logs.

For ``core.model.jobs``; may use inference to validate and export.
"""
