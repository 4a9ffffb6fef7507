"""What is printed reaches any console, and one that is closed ends nothing."""

import io
import os
import sys
import warnings

import pytest
from maquette.core import console


class Broken(io.TextIOWrapper):
    """A console whose reader has gone away."""

    def __init__(self):
        super().__init__(io.BytesIO(), "utf-8")

    def write(self, text):
        raise BrokenPipeError

    def fileno(self):
        raise OSError


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", "\\u0441\\u0442\\u0443\\u043b caf\\xe9 \\udce9\n"),
        ("cp1252", "\\u0441\\u0442\\u0443\\u043b café \\udce9\n"),
        ("utf-8", "стул café \\udce9\n"),
    ],
)
@pytest.mark.parametrize("error", [False, True])
def test_what_an_encoding_lacks_is_escaped(monkeypatch, encoding, expected, error):
    stream = io.TextIOWrapper(io.BytesIO(), encoding, newline="\n")
    monkeypatch.setattr(sys, "stderr" if error else "stdout", stream)
    console.print_line("стул café \udce9", error=error)
    assert stream.buffer.getvalue().decode(encoding) == expected


@pytest.mark.parametrize("stream", [None, Broken(), io.StringIO()], ids=["none", "broken", "shut"])
def test_a_closed_console_ends_nothing(monkeypatch, stream):
    if isinstance(stream, io.StringIO):
        stream.close()
    monkeypatch.setattr(sys, "stdout", stream)
    console.print_line("text")
    console.flush_console()


def test_what_prints_by_itself_is_escaped_too(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), "ascii", newline="\n")
    monkeypatch.setattr(sys, "stdout", stream)
    with console.safe_console():
        print("стул")
    stream.flush()
    assert stream.buffer.getvalue() == b"\\u0441\\u0442\\u0443\\u043b\n"
    assert stream.errors == "strict"


def test_a_notice_is_a_line(capsys):
    shown = warnings.showwarning
    with warnings.catch_warnings(), console.safe_console():
        warnings.simplefilter("always")
        warnings.warn("the profile was ignored", console.Notice, stacklevel=1)
        warnings.warn_explicit("Corrupt EXIF data", UserWarning, "site-packages/PIL/Image.py", 1)
    assert capsys.readouterr().err == "maquette: the profile was ignored\n"
    assert warnings.showwarning is shown


@pytest.mark.parametrize("stream", ["out", "err"])
def test_native_output_is_silenced_and_comes_back(capfd, stream):
    silence = {"out": console.silence_stdout, "err": console.silence_stderr}[stream]
    descriptor = {"out": 1, "err": 2}[stream]
    with silence():
        os.write(descriptor, b"hidden")
    os.write(descriptor, b"shown")
    assert getattr(capfd.readouterr(), stream) == "shown"
