"""Entry points of operators and command line that may run in a worker process.

They import torch only when they run, so that importing them is cheap.
"""
