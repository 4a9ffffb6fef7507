"""Property groups: the settings that the panels show, stored with the scene.

For the operators and panels; they do nothing by themselves.
"""
