"""Greatest sizes of what a training set contains.

They are far above what this project writes. They bound memory where the record of an object, which
gives the sizes of its images, is not to be trusted either.
"""

from __future__ import annotations

IMAGE_PIXELS = 4096 * 2304  # of any shape; 4K of cinemas and televisions is below
POINTS = 2**22  # of each kind of an object's ground truth; ``maquette dataset`` samples 2^14
MESH_ROWS = 2**24  # vertices or triangles
COORDINATE = 1e12  # meters, and pixels of a focal length
ARCHIVE_BYTES = 2**32  # of an object's file
LARGE_ARCHIVE_BYTES = 2**26  # from which on its headers are checked before it is read
MEMBER_BYTES = 2**29  # of a member as it is stored, and of all arrays in it
EXTENSION_BYTES = 4096  # of a header that extends the next one: a name takes some 300
MEMBERS = 100_000  # of an object's file
SHARD_MEMBERS = 4_000_000
ARRAYS = 32  # in a member
ARRAY_HEADER_BYTES = 10_000  # as numpy has it
# A member of more than this many bytes must not be compressed more than so many times: points and
# meshes shrink to a fifth at best, while zeros shrink to a thousandth.
SMALL_BYTES = 2**24
COMPRESSION = 100
JSON_BYTES = 2**26
JSON_CONTAINERS = 2**21  # lists and dictionaries in a JSON file, of 64 bytes each or more
JSON_ENTRIES = 2**21  # of all dictionaries
JSON_VALUES = 2**23
TEXT_LENGTH = 10_000  # characters of a text in a record
