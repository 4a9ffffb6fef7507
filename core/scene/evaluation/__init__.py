"""The scene as Blender evaluates it: hidden objects, frames in order, hair and points, its unit."""
