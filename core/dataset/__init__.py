"""The native format of a training set.

::

    DIR/
      dataset.json             version of the format, seed, and the settings it was made with
      objects/NAME.tar         one object: the WebDataset convention, members KEY.KIND where KEY = NAME
        NAME.json              the object's record: source, family, bounds, fingerprint, and for each view its camera
        NAME.shape.npz         ground truth of the solid shape
        NAME.mesh.npz          the mesh itself
        NAME.surface.npz       colours of the surface's points
        NAME.000.png           view 0: colour and alpha, 8 bit sRGB, straight alpha
        NAME.000.npz           view 0: depth and normal
        ...
      objects/NAME.skipped     why that object could not be used
      shards/SPLIT-000000.tar  the same objects, many to a file, if the set has been packed (``shards``)
      splits.json              NAME -> "train", "validation" or "test"; by object, duplicates kept together

World space is Blender's (right-handed, Z up, the front looks towards -Y), in metres.

``NAME.json``: ``views[i]`` holds ``kind`` ("front", ..., "free"), ``width``, ``height``, ``orthographic``,
``intrinsics`` (3, 3; pixel (0, 0) is the outer corner of the top left pixel), ``camera_to_world_opengl`` (4, 4;
looks along -Z, +Y up; Blender's, NeRF's) and ``world_to_camera_opencv`` (4, 4; x right, y down, z forward).

``NAME.shape.npz``: ``uniform`` (P, 3) float32 in the bounding box grown to a cube and by 10 %, ``near`` (P, 3)
float32 beside the surface, ``uniform_inside`` and ``near_inside`` (P,) as packed bits, ``surface`` (S, 3) float32
points with outward ``surface_normals`` (S, 3) float16. ``uniform_distance`` and ``near_distance`` (P,) float32 are the
signed distances of the points to the surface of the same solid in metres, negative inside, exact to its triangles
(``core.signed_distance``); sheets have been given a thickness, so the solid is not always the mesh.

``NAME.mesh.npz``: ``vertices`` (V, 3) float32 and ``faces`` (F, 3) uint32, counter-clockwise seen from outside as far
as the source has them so; world space. ``NAME.surface.npz``: ``colour`` (S, 3) uint8 sRGB of ``surface``, lit as in the
pictures: the mean over the views that see the point, grey where none does, and ``seen`` (S,) as packed bits. The class
is the record's ``family``, the bounding box its ``bounds``.

Sets made before the distances, the mesh and the colours were stored lack just these, and are read as such.

``NAME.000.npz``: ``depth`` (H, W) float32, plane depth (along the view axis) in metres, 0 where nothing is;
``normal`` (H, W, 3) float16, world space, unit length, 0 where nothing is.

Each object's file is written beside its place and moved there whole, so a run that is killed leaves only whole
objects, and the next run goes on after them. All but pictures and colours is the same to the byte for the same seed,
however many processes make it; those are the same within the renderer's tolerance. ``core.model.loader`` streams a set.

What follows from a view is derived, not stored (``passes``): mask, ray distance, normals in the camera's frame, object
coordinates. ``formats`` writes a set as NeRF's ``transforms.json``, COLMAP's text model, COCO instances or BOP;
``checking`` verifies every file, ``inspection`` counts and shows what is there.
"""
