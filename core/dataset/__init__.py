"""The native format of a training set.

::

    DIR/
      dataset.json             version of the format, seed, and the settings it was made with, also whence classes come
      objects/NAME.tar         one object: the WebDataset convention, members KEY.KIND where KEY = NAME
        NAME.json              the object's record: source, family, bounds, fingerprint, and for each view its camera
        NAME.shape.npz         ground truth of the solid shape
        NAME.mesh.npz          the mesh itself
        NAME.surface.npz       colours of the surface's points
        NAME.000.png           view 0: colour and alpha of the object alone, 8 bit sRGB, straight alpha
        NAME.000.surroundings.png   view 0, if it has a background or occluders: what is seen where that is not opaque
        NAME.000.npz           view 0: depth and normal
        NAME.000.albedo.png      view 0 of a relightable set: colour without light, 8 bit sRGB
        NAME.000.occlusion.png   and ambient occlusion, 8 bit
        ...
        NAME.grid.npz            inside or outside on a grid, if asked for
        NAME.shapes.000.shape.npz   of a whole scene: truth, mesh and colours of the first of its shapes, in its frame
        NAME.shapes.000.mesh.npz
        NAME.shapes.000.surface.npz
      objects/NAME.skipped     why that object could not be used
      shards/SPLIT-000000.tar  the same objects, many to a file, if the set has been packed (``shards``)
      splits.json              NAME -> "train", "validation" or "test"; by object, duplicates kept together

An object may be a whole scene: then its record tells of instances, its views have an index, along a path of frames
also a flow, ``mesh.npz``, all instances together, is there only if nothing stirs, and ``shape.npz``, their solid, if
besides they bound one.

The compact form (``compact``; ``maquette dataset --compact`` or ``maquette dataset compact``) holds what training reads
alone, of objects, not of whole scenes. In place of the members above it has::

        NAME.json                as above
        NAME.shape.npz           points as whole numbers, signs as bits
        NAME.000.webp            view 0: colour, lossy (quality 90), and alpha, exact
        NAME.000.surroundings.webp
        NAME.000.depth.png       view 0: depth, 16 bit
        NAME.000.albedo.webp     view 0 of a relightable set: colour without light, lossy (quality 90)
        NAME.000.shading.webp    and its normal (red, green) and occlusion (blue), exact
        NAME.grid.npz            as above, if asked for
        ...
        NAME.crc.json            CRC-32 of each member but the record, since WebP has no checksum

Of its ``shape.npz`` ``uniform``, ``near`` and ``surface`` are uint16: a coordinate is ``low`` (3,) + ``step`` times it,
``step`` being a 65,535th of the cube that holds them all; ``surface_normals`` are int8, of 127. Colour is black where
alpha is 0. A depth of d > 0 is near + (far - near) * (d - 1) / 65,534 metres, near and far being those of the corners
of the bounding box, less and plus a hundredth of the longer of their difference and the box's longest side. Mesh,
signed distances and colours of the surface are left out; normals of a view are differences of its depth unless it has
a ``shading.webp``, whose red r and green g are an octahedral code: with u = (r - 128) / 127, v = (g - 128) / 127 and
z = 1 - abs(u) - abs(v) it is (u, v, z) where z >= 0, else (u + s z, v + t z, z) with s and t the signs of u and v, made
of unit length; world space, to a degree; 0 where depth is.

World space is Blender's (right-handed, Z up, the front looks towards -Y), in metres.

``NAME.json``: ``views[i]`` holds ``kind`` ("front", ..., or that of its cameras, see ``rigs``), ``width``, ``height``,
``orthographic``, ``intrinsics`` (3, 3; pixel (0, 0) is the outer corner of the top left pixel; the focal lengths differ
where the scene's pixels are not square), ``camera_to_world_opengl`` (4, 4; looks along -Z, +Y up; Blender's, NeRF's),
``world_to_camera_opencv`` (4, 4; x right, y down, z forward) and ``drawn``, what was drawn by chance for the view. Of
cameras about an object that is ``elevation``, ``azimuth`` (0 before the front, 90 to its right) and ``roll`` in
degrees, ``distance`` from the middle of the bounding box in half diagonals of it, ``angle``, the horizontal field of
view in degrees (not of orthographic ones), ``fill``, the share of the picture's side that the larger side of the object
takes, and ``aim`` (right, up), how far beside the middle it looks, in half diagonals; the last two where the cameras
have them. Of cameras of the scene it is ``camera``, the name, and in a path ``frame``. Of a whole scene ``frame`` is
the scene's, and ``moved`` holds, by index, ``to_world`` of the instances that stand elsewhere in this view than
``instances`` say.

``instances[i]`` of a whole scene holds ``index`` in the pictures (i + 1), ``name``, ``family`` (the semantic class),
``to_world`` (4, 4; rigid, from the instance's own frame in metres), ``bounds`` (2, 3; low and high corner in that
frame, over all frames) and ``shape``, which copies of one shape share: instances of one mesh as it is evaluated, at one
scale. ``shapes[i]`` holds the ``name`` that they share, ``bounds``, how many ``triangles``, what the file ``holds`` of
it ("mesh", "shape", "surface": members ``NAME.shapes.00i.*``, which are what those of an object are, but in the frame
of the instances, so that ``to_world`` takes them where each stands), and if that is not all, why, in ``lacks``: it
changes its shape over the frames, has too many triangles, bounds no solid, or there are more than 1,000 shapes. The
class is that of the instance. Sets made before shapes were stored have none.

``NAME.shape.npz``: ``uniform`` (P, 3) float32 in the bounding box grown to a cube and by 10 %, ``near`` (P, 3)
float32 beside the surface, ``uniform_inside`` and ``near_inside`` (P,) as packed bits, ``surface`` (S, 3) float32
points with outward ``surface_normals`` (S, 3) float16. ``uniform_distance`` and ``near_distance`` (P,) float32 are the
signed distances of the points to the surface of the same solid in metres, negative inside, exact to its triangles
(``core.geometry.signed_distance``); sheets have been given a thickness, so the solid is not always the mesh.

``NAME.mesh.npz``: ``vertices`` (V, 3) float32 and ``faces`` (F, 3) uint32, counter-clockwise seen from outside as far
as the source has them so; world space. ``NAME.surface.npz``: ``colour`` (S, 3) uint8 sRGB of ``surface``, lit as in the
pictures: the mean over the views that see the point, grey where none does, and ``seen`` (S,) as packed bits. The class
is the record's ``family``, the bounding box its ``bounds``.

``fingerprint`` of the record: numbers that the copies of a shape share however they are moved, turned, mirrored, scaled
or cut into triangles (``core.dataset.fingerprint``), by which ``splits`` keeps them together; not those of a shape that
was remeshed or reduced. Older sets have others, which know copies turned by quarters only.

Sets made before the distances, the mesh and the colours were stored lack just these, and are read as such.

``NAME.000.npz``: ``depth`` (H, W) float32, plane depth (along the view axis) in metres, 0 where nothing is;
``normal`` (H, W, 3) float16, world space, unit length, 0 where nothing is. Of a whole scene ``index`` (H, W) uint16,
the instance at the very sample that depth is of, 0 where none is; and ``flow`` (H, W, 4) float16, in pixels right and
down, how far what is seen moves until the next frame (x, y) and has moved since the previous one (x, y).

``NAME.000.albedo.png``, if the set was made ``relightable`` (``maquette dataset --relightable``):
8 bit sRGB of the share of even white light that the surface sends back (the sum of diffuse, glossy
and transmitted), straight, black where alpha is 0. ``NAME.000.occlusion.png``: 8 bit, linear, the
share of the hemisphere above the surface, weighed by the cosine, in which nothing is within half
the object's longest side: 255 where all is open, 0 also where alpha is 0; occluders count. The
noise of few samples is taken out along the surface (``smoothing``).

``NAME.grid.npz``, if the set was made with a ``grid`` (``maquette dataset --grid``): ``inside``,
96 x 96 x 96 bits packed in C order [x, y, z], so that a byte holds eight cells along z, the lowest
z in its highest bit (``numpy.packbits``). The cells fill the cube about the middle of ``bounds``
whose side is 1.02 times their longest side; in world space, along its axes, x, y and z rising with
the index. A bit tells of the center of its cell, ``low`` + (index + 0.5) * side / 96, and of the
same solid as ``uniform_inside`` (``core.geometry.occupancy_grid``).

``NAME.000.surroundings.png``: 8 bit sRGB, straight alpha; opaque unless the background is transparent. The object's
picture over it, mixed as linear light, is the whole picture (``passes.composite_image``). Occluders stand between camera and
object: where they hide it, its alpha, depth and normal are those of nothing, so a mask is that of its visible part;
they cast shadows and are mirrored, also where they are not seen.

``views[i].drawn`` holds what was drawn for the view, see ``randomization``: ``light`` (dome, its level and turn about
Z, sun, and ``lamps``); ``background`` (kind, and colour, or picture and window) and ``occluders`` (shape within the
unit ball, colour, ``matrix`` to world space) with ``hidden_at_most``, the share of the silhouette behind their
bounding balls, if these are drawn. A background of kind "hdri" is the dome as it lights; an orthographic camera sees
one colour of it. ``drawn`` of ``NAME.json`` itself holds ``pose`` (quaternion w x y z, scale, and ``matrix``, by
which the object was moved before all: views, bounds and truth are of the object after it; ``bounds`` of its own are of
it before) and ``materials`` (of each slot of each mesh, in order, if they were replaced). Files are named without their
folders, which stand in ``dataset.json``.

``draws`` of ``NAME.json``, of an object of our own generators, is what its family drew: a list of [address, value], see
``core.procedural.recording``. Older sets have none.

Each object's file is written beside its place and moved there whole, so a run that is killed leaves only whole objects,
and finished views of the next in ``objects/.NAME.*.views``; the next run goes on after them. Processes that make a
whole scene share its views. All but pictures and colours is the same to the byte for the same seed, however many
processes make it; those are the same within the renderer's tolerance. ``core.model.training.streaming_dataset`` streams a set.

What follows from a view is derived, not stored (``passes``): mask, ray distance, normals in the camera's frame, object
coordinates, the whole picture, of whole scenes also semantic classes and each instance's own coordinates. ``formats``
writes a set as NeRF's ``transforms.json``, COLMAP's text model, COCO instances or BOP; ``checking`` verifies every
file, ``inspection`` counts and shows what is there. They read objects from files of their own or from shards alike
(``places``).
"""
