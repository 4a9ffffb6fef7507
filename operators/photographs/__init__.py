"""Operators of the panel Photographs: from photographs without cameras to a mesh."""
