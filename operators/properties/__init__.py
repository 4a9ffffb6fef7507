"""Properties: mix-ins of the operators, and property groups that the file stores with the scene.

Used by the operators, the command line and the panels.
"""
