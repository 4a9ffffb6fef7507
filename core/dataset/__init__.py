"""The native format of a training set.

Files
-----
::

    DIR/
      dataset.json                  version of the format, seed, and the settings of the set, also
                                    where the classes of objects come from
      objects/NAME.tar              one object, by the WebDataset convention: members KEY.KIND with
                                    KEY = NAME
        NAME.json                   record of the object: source, family, bounds, fingerprint, and
                                    the camera of each view
        NAME.shape.npz              ground truth of the solid shape
        NAME.mesh.npz               the mesh of the source
        NAME.surface.npz            colors of the surface points
        NAME.000.png                view 0: color and alpha of the object alone, 8 bit sRGB,
                                    straight alpha
        NAME.000.surroundings.png   view 0, if it has a background or occluders: what is visible
                                    where the object is not opaque
        NAME.000.npz                view 0: depth and normal
        NAME.000.albedo.png         view 0 of a relightable set: color without light, 8 bit sRGB
        NAME.000.occlusion.png      view 0 of a relightable set: ambient occlusion, 8 bit
        NAME.000.parts.png          view 0 of a set with parts: number of the part, 8 bit
        ...
        NAME.grid.npz               occupancy on a grid, if the set has grids
        NAME.parts.npz              parts of the surface points, if the set has parts
        NAME.measured.npz           points that photographs gave, if the object was photographed
        NAME.shapes.000.shape.npz   of a whole scene: ground truth, mesh and colors of the first of
        NAME.shapes.000.mesh.npz    its shapes, in the frame of the instances of that shape
        NAME.shapes.000.surface.npz
      objects/NAME.skipped          why that object could not be used
      shards/SPLIT-000000.tar       the same objects, many to a file, if the set is packed
                                    (``shards``)
      shards/splits.json            split of each object in the shards
      splits.json                   NAME -> "train", "validation" or "test"; by object, copies of
                                    one shape stay together

An object may be a whole scene. Then its record has instances and its views have an index and, along
a path of frames, optical flow. ``mesh.npz`` contains all instances together and exists only if
nothing moves; ``shape.npz`` is their solid and exists only if they also bound one.

The compact form (``compact``; ``maquette dataset --compact`` or ``maquette dataset compact``)
stores what training reads. Whole scenes do not have one. In place of the members above it has::

        NAME.json                     as above
        NAME.shape.npz                points as whole numbers, flags as bits
        NAME.000.webp                 view 0: color, lossy (quality 90), and alpha, exact
        NAME.000.surroundings.webp
        NAME.000.depth.png            view 0: depth, 16 bit
        NAME.000.albedo.webp          view 0 of a relightable set: color without light, lossy
                                      (quality 90)
        NAME.000.shading.webp         view 0 of a relightable set: normal (red, green) and
                                      occlusion (blue), exact
        NAME.000.parts.png            as above, if the set has parts
        NAME.grid.npz                 as above, if the set has grids
        NAME.parts.npz                as above, if the set has parts
        ...
        NAME.crc.json                 CRC-32 of each member but the record, since WebP has none

World space is Blender's: right-handed, Z up, the front of an object faces -Y, meters. Matrices are
row-major lists of rows. Sets that were made before a member or a key was introduced lack it, and
are read without it.

The record, ``NAME.json``
-------------------------
``views[i]`` has

======================  ===========================================================================
kind                    "front" and so on, or the kind of the camera rig (``synthesis.camera_rigs``)
width, height           of the images, pixels
orthographic            true or false
intrinsics              (3, 3); pixel (0, 0) is the outer corner of the top left pixel; the focal
                        lengths differ where the scene's pixels are not square
camera_to_world_opengl  (4, 4); looks along -Z, +Y up; as in Blender and NeRF
world_to_camera_opencv  (4, 4); x right, y down, z forward
drawn                   what was sampled for the view
frame                   of a whole scene: the scene's frame
moved                   of a whole scene: by index, ``to_world`` of the instances whose pose in this
                        view differs from the one in ``instances``
======================  ===========================================================================

``drawn`` of cameras around an object has

==================  ===============================================================================
elevation, azimuth  degrees; azimuth is 0 in front of the object, 90 to its right
roll                degrees
distance            from the center of the bounding box, in half diagonals of it
angle               horizontal field of view, degrees; not of orthographic cameras
fill                fraction of the image's side that the longer side of the object takes; if the
                    camera has it
aim                 (right, up): how far from the center the camera looks, in half diagonals; if the
                    camera has it
==================  ===============================================================================

Of cameras of the scene it has ``camera``, the name, and in a path ``frame``.

With randomization (``synthesis.randomization``) it also has

==============  ===================================================================================
light           dome, its strength and rotation about Z, sun, and ``lamps``
background      kind, and ``colour``, or ``picture`` and ``window``. "hdri" is the dome that lights
                the view; an orthographic camera sees one color of it
occluders       shape within the unit ball, ``colour``, and ``matrix`` to world space
hidden_at_most  fraction of the silhouette behind the bounding balls of the occluders
==============  ===================================================================================

Files are named without their folders, which are in ``dataset.json``.

Further keys of the record are

===========  ======================================================================================
family       class of the object
bounds       (2, 3) low and high corner of the bounding box
fingerprint  numbers that copies of a shape share however they are moved, rotated, mirrored, scaled
             or triangulated (``core.geometry.fingerprint``), by which ``splits`` keeps them
             together; a remeshed or reduced shape has others. Older sets have numbers of another
             kind, which recognize copies rotated by multiples of 90 degrees only
drawn        ``pose`` (quaternion w x y z, scale, and ``matrix``, by which the object was moved
             first: views, bounds and ground truth are those of the moved object, only the
             ``bounds`` within ``pose`` are those before) and ``materials`` (of each slot of each
             mesh, in order, if they were replaced)
parts        names of the object's parts, if the set has parts: at most 255, each once. Part i has
             the number i + 1. The last one is "" if a surface has no name
parts_from   what named them: "procedural" (the generator: labels of its solids), "material" or
             "vertex group"
draws        of a procedural object: what its family sampled, a list of [address, value], see
             ``core.procedural.recording``
===========  ======================================================================================

``instances[i]`` of a whole scene has

========  =========================================================================================
index     value in the index images, i + 1
name      of the object
family    the semantic class
to_world  (4, 4) rigid, from the frame of the instance in meters
bounds    (2, 3) low and high corner in that frame, over all frames
shape     shared by copies of one shape: instances of one evaluated mesh at one scale
========  =========================================================================================

``shapes[i]`` of a whole scene has

=========  ========================================================================================
name       as in ``shape`` of its instances
bounds     (2, 3) low and high corner in the frame of the instances
triangles  their number
holds      which of "mesh", "shape" and "surface" the file has: members ``NAME.shapes.00i.*``, like
           those of an object, but in the frame of the instances, so that ``to_world`` places them
lacks      if that is not all, why: the shape changes over the frames, has too many triangles,
           bounds no solid, or there are more than 1,000 shapes
=========  ========================================================================================

Ground truth
------------
``NAME.shape.npz``:

=================================  ================================================================
uniform                            (P, 3) float32 in the bounding box enlarged to a cube and by 10 %
near                               (P, 3) float32 near the surface
uniform_inside, near_inside        (P,) as packed bits
surface                            (S, 3) float32 points on the surface
surface_normals                    (S, 3) float16 outward normals
uniform_distance, near_distance    (P,) float32 signed distances to the surface of the same solid,
                                   meters, negative inside, exact to its triangles
                                   (``core.geometry.signed_distance``)
=================================  ================================================================

Sheets are given a thickness, so the solid is not always the mesh.

``NAME.mesh.npz``: ``vertices`` (V, 3) float32 and ``faces`` (F, 3) uint32, counter-clockwise seen
from outside as far as they are in the source; world space.

``NAME.surface.npz``: ``colour`` (S, 3) uint8 sRGB of ``surface``, lit as in the images: the mean
over the views that show the point, gray if none does; and ``seen`` (S,) as packed bits.

``NAME.grid.npz``, if the set was made with a ``grid`` (``maquette dataset --grid``): ``inside``, 96
x 96 x 96 bits packed in C order [x, y, z], so that a byte holds eight cells along z, the lowest z
in its highest bit (``numpy.packbits``). The cells fill the cube around the middle of ``bounds``
whose side is 1.02 times their longest side; in world space, along its axes, x, y and z rising with
the index. A bit describes the center of its cell, ``low`` + (index + 0.5) * side / 96, and the same
solid as ``uniform_inside`` (``core.geometry.occupancy_grid``).

``NAME.measured.npz``, if the object was photographed: the points (meters) within the cube of
``uniform`` from which its mesh was made. ``sparse`` (P, 3) float32, ``sparse_colour`` (P, 3) uint8
and ``sparse_views`` (P,) int32, how many photographs show the point; ``dense`` (D, 3) float32,
``dense_normals`` (D, 3) float16, ``dense_colour`` (D, 3) uint8 and ``dense_views`` (D,) int32, how
many photographs agree on its depth. Depth and normal of its views are those of the mesh.

Views
-----
``NAME.000.npz``:

======  ===========================================================================================
depth   (H, W) float32, plane depth (along the view axis), meters, 0 where there is no surface
normal  (H, W, 3) float16, world space, unit length, 0 where there is no surface
index   of a whole scene: (H, W) uint16, the instance at the same sample as depth, 0 where there is
        none
flow    of a whole scene along a path: (H, W, 4) float16, how many pixels right and down the surface
        moves until the next frame (x, y) and has moved since the previous one (x, y)
======  ===========================================================================================

``NAME.000.surroundings.png``: 8 bit sRGB, straight alpha; opaque unless the background is
transparent. The object's image over it, mixed as linear light, is the complete image
(``passes.composite_image``). Occluders are between camera and object. Where they hide it, its
alpha, depth and normal are those of an empty pixel, so a mask is that of its visible part. They
cast shadows and are mirrored, also where they are outside the image.

``NAME.000.albedo.png``, if the set was made ``relightable`` (``maquette dataset --relightable``): 8
bit sRGB of the fraction of uniform white light that the surface reflects (the sum of diffuse,
glossy and transmitted), straight alpha, black where alpha is 0. ``NAME.000.occlusion.png``: 8 bit,
linear, the fraction of the hemisphere above the surface, weighed by the cosine, without a surface
within half the object's longest side: 255 where all is open, 0 also where alpha is 0; occluders
count. The noise of few samples is removed along the surface
(``core.scene.rendering.occlusion_smoothing``).

``NAME.000.parts.png``, if the set was made with parts (``maquette dataset --parts``): 8 bit, one
channel, the number of the part at the same sample as depth, never mixed. A pixel that the object
covers to half or more, but whose sample missed it, has the number of a neighbor. So it is not 0
where depth is not 0, and 0 where alpha is 0. ``NAME.parts.npz``: ``surface`` (S,) uint8, the number
of the part of each point of ``surface``, not 0. ``core.procedural.part_groups`` has the group of
each name of a generator.

The compact form
----------------
``NAME.shape.npz``: ``uniform``, ``near`` and ``surface`` are uint16: a coordinate is ``low`` (3,) +
``step`` times it, ``step`` being a 65,535th of the side of the cube that contains all of them.
``surface_normals`` are int8, 127 for 1. Color is black where alpha is 0.

``NAME.000.depth.png``: a value d > 0 is the depth near + (far - near) * (d - 1) / 65,534 meters.
near and far are the least and greatest depth of the corners of the bounding box, minus and plus a
hundredth of the larger one of their difference and the box's longest side.

``NAME.000.shading.webp``: red r and green g are an octahedral code of the normal in world space, to
a degree: with u = (r - 128) / 127, v = (g - 128) / 127 and z = 1 - abs(u) - abs(v) it is (u, v, z)
where z >= 0, else (u + s z, v + t z, z) with s and t the signs of u and v, normalized to unit
length; 0 where depth is 0. Without this member normals are differences of depth.

Mesh, signed distances, colors of the surface and measured points are left out.

Writing and reading
-------------------
Each object's file is written under a temporary name and
then renamed, so a run that is killed leaves only complete objects, and finished views of the next
one in ``objects/.NAME.*.views``; the next run continues with them. Processes that make a whole
scene share its views. Everything but images and colors is identical to the byte for the same seed,
however many processes make it; images and colors are the same within the renderer's tolerance.
``core.model.training.streaming_dataset`` streams a set.

A set may come from a stranger. Names of objects are names of files on any system (``names``), tars
are plain ones of plain files, and sizes are checked before memory is taken, within the bounds in
``reading.limits``. Whatever is wrong is a DatasetError that names the file and the field.

What follows from a view is computed, not stored (``passes``): mask, ray distance, normals in the
camera's frame, object coordinates, the complete image, of whole scenes also semantic classes and
each instance's own coordinates. ``exporters`` writes a set as NeRF's ``transforms.json``, COLMAP's
text model, COCO instances or BOP; ``validation`` checks every file, ``summary`` counts and shows
what is there. They read objects from their own files or from shards alike (``index``).
"""
