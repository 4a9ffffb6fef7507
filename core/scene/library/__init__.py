"""Assets of libraries in Blender: list and render them, and place them in a scene."""
