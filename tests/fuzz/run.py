"""Attack Maquette with mutated files, kills and hostile programs, and count what happens.

    python tests/fuzz/run.py                       # all of it; make fuzz does this
    python tests/fuzz/run.py --only pictures --count 200 --seed 7

Prints a table of counts and one line for every fault: a crash, a traceback, a hang, too much
memory, a file outside the target, a command that fails without a reason. Ends with 1 if there was
any. Every case follows from the seed; ``--keep FOLDER`` keeps the files.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inputs import write_inputs
from kills import kill_dataset, kill_reconstruction, kill_training, write_training_config
from mutations import mutate_file
from programs import write_programs
from watch import Report, run_cases

_COUNTS = {
    "pictures": 5000,
    "weights": 250,
    "sets": 200,
    "meshes": 100,
    "pythons": 0,  # each program once for each operator
    "kills of dataset": 50,
    "kills of train": 50,
    "kills of reconstruct": 50,
}
_BATCH = 250  # cases whose files are on the disk at a time
_ALLOWANCE = {"pictures": 5.0, "weights": 5.0, "sets": 60.0, "meshes": 40.0, "pythons": 30.0}
_EXPORTS = ("nerf", "colmap", "coco", "bop")


class Attack:
    """The cases of one seed.

    Attributes:
        inputs: Good files by kind.
        folder: Where the cases are written.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.seed = seed
        self.inputs = write_inputs(folder / "inputs")
        self.weights = self.inputs["weights"][0]
        self.image = folder / "inputs/pictures/alpha.png"
        write_training_config(folder / "tiny.json")

    def run(self, kind: str, count: int) -> Report:
        """Run ``count`` cases of a kind."""
        report = Report()
        draw = random.Random(f"{self.seed} {kind}")
        if kind.startswith("kills"):
            self._kill(kind, count, draw, report)
            return report
        if kind == "pythons":
            self._run_batch(kind, self._python_cases, 0, draw, report)
            return report
        makers = {
            "pictures": self._picture_cases,
            "weights": self._weights_cases,
            "sets": self._set_cases,
            "meshes": self._mesh_cases,
        }
        for start in range(0, count, _BATCH):
            self._run_batch(kind, makers[kind], min(_BATCH, count - start), draw, report)
            print(f"{kind}: {start + _BATCH} of {count}, {len(report.faults)} faults", flush=True)
        return report

    def _run_batch(
        self,
        kind: str,
        make: Callable[[Path, int, random.Random], list[dict[str, Any]]],
        count: int,
        draw: random.Random,
        report: Report,
    ) -> None:
        sandbox = self._new_sandbox(kind)
        cases = make(sandbox, count, draw)
        run_cases(cases, sandbox, _ALLOWANCE[kind], report)
        shutil.rmtree(sandbox, ignore_errors=True)

    def _new_sandbox(self, kind: str) -> Path:
        sandbox = self.folder / kind.replace(" ", "_")
        shutil.rmtree(sandbox, ignore_errors=True)
        for name in ("work", "guard", "home", "tmp", "cases"):
            (sandbox / name).mkdir(parents=True)
        (sandbox / "guard/file").write_text("must stay as it is")
        return sandbox

    def _picture_cases(
        self, sandbox: Path, count: int, draw: random.Random
    ) -> list[dict[str, Any]]:
        cases = []
        for index in range(count):
            source = draw.choice(self.inputs["pictures"])
            folder = sandbox / "cases" / str(index)
            folder.mkdir()
            picture = folder / source.name
            picture.write_bytes(mutate_file(source.name, source.read_bytes(), draw))
            arguments = ["reconstruct", picture, "-o", folder / "out.glb", "--resolution", 32]
            cases.append(_case(picture, [*arguments, "--weights", self.weights]))
        return cases

    def _weights_cases(
        self, sandbox: Path, count: int, draw: random.Random
    ) -> list[dict[str, Any]]:
        cases = []
        for index in range(count):
            folder = sandbox / "cases" / str(index)
            folder.mkdir()
            weights = folder / "mutated.safetensors"
            weights.write_bytes(mutate_file(weights.name, self.weights.read_bytes(), draw))
            arguments = ["reconstruct", self.image, "-o", folder / "out.glb", "--resolution", 32]
            cases.append(_case(weights, [*arguments, "--weights", weights]))
        return cases

    def _set_cases(self, sandbox: Path, count: int, draw: random.Random) -> list[dict[str, Any]]:
        cases = []
        for index in range(count):
            source = draw.choice(self.inputs["sets"])
            folder = sandbox / "cases" / str(index)
            mutated = folder / "set"
            shutil.copytree(source, mutated)
            files = sorted(path for path in mutated.rglob("*") if path.is_file())
            chosen = draw.choice(files)
            chosen.write_bytes(mutate_file(chosen.name, chosen.read_bytes(), draw))
            name = f"{source.name}/{chosen.relative_to(mutated)}"
            case = _case(folder / name, draw.choice(self._set_commands(mutated, folder)))
            cases.append(case)
        return cases

    def _set_commands(self, mutated: Path, folder: Path) -> list[list[object]]:
        """Return every command that reads a set."""
        commands: list[list[object]] = [
            ["dataset", "check", mutated],
            ["dataset", "inspect", mutated, "-o", folder / "sheet.png"],
            ["dataset", "compact", mutated, folder / "compact"],
            ["dataset", "pack", mutated],
            ["evaluate", mutated, "--weights", self.weights],
            ["train", mutated, "--run", folder / "run", "--config", self.folder / "tiny.json"],
        ]
        for name in _EXPORTS:
            commands.append(["dataset", "export", mutated, folder / name, "--format", name])
        return commands

    def _mesh_cases(self, sandbox: Path, count: int, draw: random.Random) -> list[dict[str, Any]]:
        cases = []
        for index in range(count):
            source = draw.choice(self.inputs["meshes"])
            folder = sandbox / "cases" / str(index)
            meshes = folder / "meshes"
            meshes.mkdir(parents=True)
            for companion in source.parent.glob(f"{source.stem}.*"):
                if companion.suffix in (".mtl", ".bin"):
                    shutil.copy(companion, meshes)
            mutated = meshes / source.name
            mutated.write_bytes(mutate_file(source.name, source.read_bytes(), draw))
            arguments = ["dataset", folder / "set", "--meshes", meshes, "--size", 16]
            arguments += ["--samples", 1, "--points", 64, "--cameras", "sides:front"]
            cases.append(_case(mutated, arguments))
        return cases

    def _python_cases(self, sandbox: Path, count: int, draw: random.Random) -> list[dict[str, Any]]:
        cases = []
        for program in write_programs(sandbox / "cases", sys.executable):
            for operator in ("test_python", "reconstruct"):
                case = {
                    "name": f"{program.name} for {operator}",
                    "python": str(program),
                    "operator": operator,
                    "image": str(self.image),
                    "weights": str(self.weights),
                }
                cases.append(case)
        return cases

    def _kill(self, kind: str, count: int, draw: random.Random, report: Report) -> None:
        sandbox = self._new_sandbox(kind)
        if kind.endswith("dataset"):
            kill_dataset(count, sandbox, draw, report)
        elif kind.endswith("train"):
            kill_training(count, sandbox, self.inputs["sets"][0], draw, report)
        else:
            kill_reconstruction(count, sandbox, self.image, self.weights, draw, report)


def _case(changed: Path, arguments: list[object]) -> dict[str, Any]:
    words = [str(argument) for argument in arguments]
    name = "/".join(changed.parts[-3:])
    return {"name": f"{words[0]} {words[1]} {name}", "arguments": words}


def main() -> int:
    """Run the attack; return 1 if there were faults."""
    parser = argparse.ArgumentParser(description="Attack Maquette with mutated files and kills.")
    parser.add_argument("--only", choices=_COUNTS, nargs="+", default=list(_COUNTS))
    parser.add_argument("--count", type=int, help="cases of each kind (default: as in the guide)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files (default: a temporary one)")
    parser.add_argument("--reasons", action="store_true", help="list why cases are refused")
    options = parser.parse_args()

    folder = options.keep or Path(tempfile.mkdtemp(prefix="fuzz_"))
    attack = Attack(folder, options.seed)
    rows = []
    faults = []
    for kind in options.only:
        count = options.count if options.count is not None else _COUNTS[kind]
        report = attack.run(kind, count)
        rows.append(report.row(kind))
        faults += [f"{kind}: {fault}" for fault in report.faults]
        print(rows[-1], flush=True)
        if options.reasons:
            for reason, number in report.reasons.most_common():
                print(f"{number:6} {reason}")
    if options.keep is None:
        shutil.rmtree(folder, ignore_errors=True)

    print("\n| what | cases | accepted | refused in words | faults | longest s | most GB |")
    print("|---|---|---|---|---|---|---|")
    print(*rows, sep="\n")
    print(*faults, sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    code = 2
    try:
        code = main()
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(code)  # Blender's own cleanup may hang beside torch
