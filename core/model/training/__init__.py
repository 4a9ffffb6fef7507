"""Training of the networks: objects, batches, losses, checkpoints, logs, calibration, export.

For ``core.model.jobs``; may use inference to validate, and evaluation to calibrate.
"""
