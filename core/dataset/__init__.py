"""The native format of a training set.

::

    DIR/
      dataset.json             version of the format, seed, and the settings it was made with
      objects/NAME.tar         one object: the WebDataset convention, members KEY.KIND where KEY = NAME
        NAME.json              the object's record: source, family, bounds, fingerprint, and for each view its camera
        NAME.shape.npz         ground truth of the solid shape
        NAME.000.png           view 0: colour and alpha, 8 bit sRGB, straight alpha
        NAME.000.npz           view 0: depth and normal
        ...
      objects/NAME.skipped     why that object could not be used
      splits.json              NAME -> "train", "validation" or "test"; by object, duplicates kept together

World space is Blender's (right-handed, Z up, the front looks towards -Y), in metres.

``NAME.json``: ``views[i]`` holds ``kind`` ("front", ..., or that of its cameras, see ``rigs``), ``width``, ``height``,
``orthographic``, ``intrinsics`` (3, 3; pixel (0, 0) is the outer corner of the top left pixel; the focal lengths differ
where the scene's pixels are not square), ``camera_to_world_opengl`` (4, 4; looks along -Z, +Y up; Blender's, NeRF's),
``world_to_camera_opencv`` (4, 4; x right, y down, z forward) and ``drawn``, what was drawn by chance for the view. Of
cameras about an object that is ``elevation``, ``azimuth`` (0 before the front, 90 to its right) and ``roll`` in
degrees, ``distance`` from the middle of the bounding box in half diagonals of it, ``angle``, the horizontal field of
view in degrees (not of orthographic ones), ``fill``, the share of the picture's side that the larger side of the object
takes, and ``aim`` (right, up), how far beside the middle it looks, in half diagonals; the last two where the cameras
have them. Of cameras of the scene it is ``camera``, the name, and in a path ``frame``.

``NAME.shape.npz``: ``uniform`` (P, 3) float32 in the bounding box grown to a cube and by 10 %, ``near`` (P, 3)
float32 beside the surface, ``uniform_inside`` and ``near_inside`` (P,) as packed bits, ``surface`` (S, 3) float32
points with outward ``surface_normals`` (S, 3) float16.

``NAME.000.npz``: ``depth`` (H, W) float32, plane depth (along the view axis) in metres, 0 where nothing is;
``normal`` (H, W, 3) float16, world space, unit length, 0 where nothing is.

Each object's file is written beside its place and moved there whole, so a run that is killed leaves only whole
objects, and the next run goes on after them.

What follows from a view is derived, not stored (``passes``): mask, ray distance, normals in the camera's frame, object
coordinates. ``formats`` writes a set as NeRF's ``transforms.json``, COLMAP's text model, COCO instances or BOP;
``checking`` verifies every file, ``inspection`` counts and shows what is there.
"""
