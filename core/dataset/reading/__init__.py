"""Read the files of a training set that a stranger may have made.

What a file declares is checked before memory is taken for it: ``files`` opens regular files only,
``archives`` iterates over the members of a tar, ``json_files`` parses JSON, ``arrays`` reads .npz
and ``images`` opens PNG and WebP. ``fields`` checks the types of JSON entry by entry, and
``array_rules`` those of arrays. ``limits`` has the numbers.

The functions raise ValueError, or what the standard library raises on damaged files
(``DAMAGE_ERRORS``); their callers name the file.
"""
