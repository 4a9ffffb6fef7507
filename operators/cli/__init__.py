"""The command line ``maquette``: one module for each group of commands.

``main`` parses and dispatches; the others define commands, which use the operators' functions.
"""
