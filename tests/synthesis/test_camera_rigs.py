"""The words for cameras: read, written, and refused with a reason."""

import pytest
from maquette.core.errors import DatasetError
from maquette.core.synthesis.camera_rigs import DEFAULT, SHEET, Rig, parse_rigs


def test_words_become_rigs_and_rigs_words():
    words = [
        "sides",
        "sides:front,top",
        "free:6",
        "sphere:20",
        "shell:4,roll=-10..10,distance=2..4,orthographic=0.25",
        "orbit:24,elevation=30,lens=35..85,fill=0.5",
        "hemisphere:2,angle=20..60,aim=0",
        "scene",
        "path",
        "path:1..250,step=5",
        "path:7",
    ]
    rigs = parse_rigs(words)
    assert [str(rig) for rig in rigs] == words
    assert rigs[0] == Rig("sides", sides=SHEET) and rigs[1].sides == ("front", "top")
    assert rigs[5] == Rig("orbit", 24, elevation=(30, 30), lens=(35, 85), fill=(0.5, 0.5))
    assert rigs[8] == Rig("path") and rigs[9].frames == (1, 250) and rigs[10].frames == (7, 7)
    assert parse_rigs(["sides", "free:6"]) == DEFAULT


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("ring:3", "Unknown camera rig 'ring'.*orbit"),
        ("sides:front,under", "no side under.*bottom"),
        ("orbit", "orbit is not a valid camera rig"),
        ("orbit:many", "orbit:many is not a valid camera rig"),
        ("orbit:0", "count is a number .* within 1"),
        ("orbit:4,height=3", "orbit has no option 'height'. Options: elevation, roll"),
        ("free:4,lens=50", "free has no option 'lens'. Options: nothing"),
        ("sphere:4,fill=0.9..0.5", "fill is a number or a range A..B within 0.01..1"),
        ("sphere:4,fill=2", "fill is a number"),
        ("sphere:4,lens=nan", "lens is a number"),
        ("sphere:4,lens=50,angle=30", "either lens or angle"),
        ("sphere:4,lens=50,distance=3,fill=0.5", "the third follows"),
        ("path:9..1", "first frame comes after the last"),
        ("scene:Camera", "scene:Camera is not a valid camera rig"),
    ],
)
def test_what_cannot_be_is_said(word, reason):
    with pytest.raises(DatasetError, match=reason):
        parse_rigs([word])


def test_no_word_is_said():
    with pytest.raises(DatasetError, match="Give at least one camera rig: sides, free"):
        parse_rigs([])
