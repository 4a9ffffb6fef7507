"""Entry points that the operators run, here or in a worker process.

They import torch only when they run, so importing them costs little.
"""
