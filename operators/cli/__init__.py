"""The command line ``maquette`` (``blender -b -c maquette``): one module for each group of commands.

``main`` parses and dispatches; the others define commands. Uses the operators.
"""
