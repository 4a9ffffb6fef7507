"""Fit a procedural object to a mesh and to pictures of it: which family, and which parameters.

::

    targets      what is fitted: occupancy of a mesh, silhouettes and depths in cameras
    seed_index   the nearest of some 1,100 seeds of all families, from a file
    proposals    where the search begins: the nearest seeds, and what a learned head expects
    draw_space   the draws of an object as numbers in 0..1 and as options
    candidates   an object at its pose, drawn and scored
    variables    what a search changes, each as one number
    search       the search itself, as a task
    results      what it comes to, in the frame of the mesh
    part_colors  the colors of the parts in the pictures

Neither bpy nor torch.
"""
