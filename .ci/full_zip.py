"""Build the self-contained extension: the small zip and PyTorch's CPU build and Pillow as wheels.

    python full_zip.py dist/maquette-0.1.0.zip --platform linux-x64 --python cp311 \\
        --blender-ext .../blender_ext.py

There is one zip for each platform and Python, since ``--split-platforms`` of Blender does not
distinguish versions of Python. The manifest of the repository stays without wheels: they are added
to a copy. Downloading is pip's work.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

# What importing PyTorch, running the model and one step of an optimizer were seen to import, and no
# more. Never numpy: wheels of all extensions come before Blender's modules in the search path.
PACKAGES = ("pillow", "safetensors", "typing_extensions", "sympy", "mpmath")
# By Python's ABI: the first Blender that has it, and the first that has another.
BLENDERS = {"cp311": ("4.2.0", "5.1.0"), "cp313": ("5.1.0", None)}
# By Blender's name: pip's names, and the suffix of PyTorch's CPU build, which Linux needs, since by
# default it gets CUDA's.
PLATFORMS = {
    "linux-x64": (
        ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
        "+cpu",
    ),
    "windows-x64": (("win_amd64",), ""),
    "windows-arm64": (("win_arm64",), ""),
    "macos-arm64": (("macosx_14_0_arm64",), ""),
}


def manifest_with(manifest: str, platform: str, python: str, wheels: Sequence[str]) -> str:
    """Return ``manifest`` as text for one platform and Python, with file names of ``wheels``."""
    oldest, end = BLENDERS[python]
    lines = [
        line
        for line in manifest.splitlines()
        if not line.startswith(("blender_version_", "platforms", "wheels"))
    ]
    own = [f'blender_version_min = "{oldest}"', f'platforms = ["{platform}"]', "wheels = ["]
    own += [f'  "./wheels/{name}",' for name in sorted(wheels)] + ["]"]
    if end:
        own.insert(1, f'blender_version_max = "{end}"')
    table = next(index for index, line in enumerate(lines) if line.startswith("["))
    return "\n".join([*lines[:table], *own, "", *lines[table:]]) + "\n"


def download(folder: Path, platform: str, python: str, torch: str, index: str) -> list[str]:
    """Download the wheels into ``folder``, and return their names."""
    names, build = PLATFORMS[platform]
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]
    pip += [
        "--only-binary=:all:",
        "--implementation",
        "cp",
        "--python-version",
        f"{python[2]}.{python[3:]}",
    ]
    pip += [word for abi in (python, "abi3", "none") for word in ("--abi", abi)]
    pip += [word for name in names for word in ("--platform", name)]
    pip += ["--dest", str(folder)]
    subprocess.run([*pip, *PACKAGES], check=True)
    asked = [*pip, f"torch=={torch}{build}"]
    if subprocess.run(asked, stderr=subprocess.DEVNULL).returncode:
        subprocess.run([*asked, "--index-url", index], check=True)
    wheels = sorted(path.name for path in folder.glob("*.whl"))
    assert not [name for name in wheels if name.startswith("numpy")], wheels
    return wheels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("small", type=Path, help="the zip without wheels")
    parser.add_argument("--platform", choices=PLATFORMS, default="linux-x64")
    parser.add_argument("--python", choices=BLENDERS, default="cp311")
    parser.add_argument("--torch", required=True, help="its version")
    parser.add_argument(
        "--index", required=True, help="where PyTorch's CPU builds are, if pip's own index has none"
    )
    parser.add_argument(
        "--blender-ext", type=Path, required=True, help="Blender's command for extensions"
    )
    arguments = parser.parse_args()
    output = arguments.small.with_name(
        f"{arguments.small.stem}-{arguments.platform}-{arguments.python}.zip"
    )
    with tempfile.TemporaryDirectory(dir=arguments.small.parent) as name:
        source = Path(name)
        with zipfile.ZipFile(arguments.small) as archive:
            archive.extractall(source)
        wheels = download(
            source / "wheels",
            arguments.platform,
            arguments.python,
            arguments.torch,
            arguments.index,
        )
        manifest = source / "blender_manifest.toml"
        text = manifest_with(
            manifest.read_text(encoding="utf-8"), arguments.platform, arguments.python, wheels
        )
        manifest.write_text(text, encoding="utf-8")
        build = ["build", "--source-dir", str(source), "--output-filepath", str(output)]
        subprocess.run([sys.executable, str(arguments.blender_ext), *build], check=True)


if __name__ == "__main__":
    main()
