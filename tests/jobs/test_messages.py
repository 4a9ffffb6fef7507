import io
from pathlib import Path

import numpy as np
import pytest
from maquette.core.arrays import MeshArrays, SourceView
from maquette.core.cameras import side_camera
from maquette.core.jobs import messages
from maquette.core.jobs.task import Progress


def send_and_receive(value):
    stream = io.BytesIO()
    messages.send_message(stream, value)
    stream.seek(0)
    return messages.receive_message(stream)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        2.5,
        "Größe",
        [1, [2, "a"]],
        (1, 2),
        {"a": {"b": [None]}, "array": 1},
        Path("a/b.png"),
        float("inf"),
        Progress(0.5, "Half"),
    ],
)
def test_values_come_out_as_they_went_in(value):
    assert send_and_receive(value) == value


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.zeros((0, 3), np.int32),
        np.array(7, np.uint8),
        np.arange(12).reshape(3, 4).T,
        np.array([True, False]),
    ],
)
def test_arrays_bit_for_bit_and_writable(array):
    received = send_and_receive({"it": [array]})["it"][0]
    assert (
        received.dtype == array.dtype and received.shape == array.shape and received.flags.writeable
    )
    np.testing.assert_array_equal(received, array)


def test_our_dataclasses():
    mesh = MeshArrays(np.ones((4, 3), np.float32), np.arange(4, dtype=np.int32)[None])
    received = send_and_receive(mesh)
    assert type(received) is MeshArrays and received.colors is None
    np.testing.assert_array_equal(received.vertices, mesh.vertices)


def test_all_of_a_mesh():
    views = (
        SourceView(np.arange(9, dtype=np.uint8), side_camera("front", 1.1, 96), (0.5, 0.75)),
        SourceView(np.arange(3, dtype=np.uint8), side_camera("top", 2.0, 64)),
    )
    confidence = np.linspace(0, 1, 4, dtype=np.float32)
    mesh = MeshArrays(
        np.ones((4, 3), np.float32), np.arange(4, dtype=np.int32)[None], None, confidence, views
    )
    received = send_and_receive(mesh)
    np.testing.assert_array_equal(received.confidence, confidence)
    assert [view.silhouette for view in received.views] == [(0.5, 0.75), None]
    for view, sent in zip(received.views, views, strict=True):
        np.testing.assert_array_equal(view.png, sent.png)
        np.testing.assert_array_equal(view.camera.to_world, sent.camera.to_world)
        np.testing.assert_array_equal(view.camera.intrinsics, sent.camera.intrinsics)
        assert (view.camera.width, view.camera.orthographic) == (sent.camera.width, True)


@pytest.mark.parametrize("printed", [b"", b"Blender 5.2\n", b"Read prefs", b"\0\n\xff"])
def test_what_comes_before_the_messages_is_skipped(printed):
    stream = io.BytesIO(printed)
    stream.seek(0, io.SEEK_END)
    messages.begin_messages(stream)
    messages.send_message(stream, 7)
    stream.seek(0)
    messages.skip_to_begin(stream)
    assert messages.receive_message(stream) == 7
    with pytest.raises(EOFError):
        messages.skip_to_begin(io.BytesIO(printed))


def test_messages_follow_each_other():
    stream = io.BytesIO()
    for number in range(3):
        messages.send_message(stream, np.full(number, number))
    stream.seek(0)
    assert [len(messages.receive_message(stream)) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(EOFError):
        messages.receive_message(stream)


@pytest.mark.parametrize("value", [object(), {1, 2}, np.array([object()]), print])
def test_nothing_else_is_sent(value):
    with pytest.raises(TypeError):
        send_and_receive(value)


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "..operators:x",
        "jobs.messages:struct",
        "arrays:View.__init__",
        "jobs.messages:send_message",
    ],
)
def test_nothing_else_is_unpacked(name):
    """Neither names of other modules, nor objects that are not dataclasses."""
    stream = io.BytesIO()
    messages.send_message(stream, Progress(0.5, "x"))
    text = stream.getvalue().replace(b"jobs.task:Progress", name.encode())
    text = (int.from_bytes(text[:8], "little") + len(name) - len("jobs.task:Progress")).to_bytes(
        8, "little"
    ) + text[8:]
    with pytest.raises((ValueError, ImportError, AttributeError)):
        messages.receive_message(io.BytesIO(text))


def test_longer_messages_than_are_read_are_not_sent(monkeypatch):
    monkeypatch.setattr(messages, "LARGEST_DATA", 100)
    assert len(send_and_receive(np.zeros(100, np.uint8))) == 100
    with pytest.raises(ValueError, match="longer than is allowed"):
        messages.message_parts([np.zeros(60, np.uint8), np.zeros(41, np.uint8)])
    monkeypatch.setattr(messages, "LARGEST_HEADER", 100)
    with pytest.raises(ValueError, match="longer than is allowed"):
        messages.message_parts("x" * 100)


def test_sizes_that_a_message_claims_cost_nothing():
    """Neither that of the header nor those of arrays, of which the sum counts."""
    for length in (2**64 - 1, messages.LARGEST_HEADER + 1):
        with pytest.raises(ValueError, match="not a message"):
            messages.receive_message(io.BytesIO(length.to_bytes(8, "little")))
    half = f'["|u1", [{messages.LARGEST_DATA // 2}]]'
    one = f'["|u1", [{messages.LARGEST_DATA + 1}]]'
    for arrays, error in ((f"[{half}]", EOFError), (f"[{one}]", ValueError)):
        header = f'{{"value": 1, "arrays": {arrays}}}'.encode()
        stream = io.BytesIO(len(header).to_bytes(8, "little") + header + b"few bytes")
        with pytest.raises(error):
            messages.receive_message(stream)


def test_much_before_the_messages_is_refused():
    with pytest.raises(ValueError, match="more than 4 MB"):
        messages.skip_to_begin(io.BytesIO(b"x" * (messages.LARGEST_PREAMBLE + 1)))
    # A marker may follow whatever was printed without the end of a line.
    stream = io.BytesIO(b"x" * (messages._LONGEST_READ - 3) + messages._BEGIN)
    messages.skip_to_begin(stream)
    assert not stream.read()
