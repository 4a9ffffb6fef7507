"""Operators on libraries: index one, find what is similar in it, and place what was found."""
