# SPDX-License-Identifier: GPL-2.0
"""What the tests of the reports have in common: recorded streams, files, TAP."""

import json
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

VM = Path(__file__).resolve().parents[1] / "vm"
sys.path.insert(0, str(VM))

DATE = "2026-01-02T03:04:05"


def equal(one, other):
    assert one == other, f"\n{one}\nis not\n{other}"


class Command:
    """One of tests/vm, with the streams that are recorded in FOLDER."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder

    def recorded(self, name):
        return (self.folder / name).read_text(encoding="utf-8")

    def expected(self, name):
        """What is in a file, without its licence."""
        return self.recorded(name).split("\n", 1)[1]

    def __call__(self, *args, text=""):
        """Its status and what it says."""
        done = subprocess.run([VM / self.name, *args], input=text, text=True, timeout=60,
                              stdout=subprocess.PIPE, check=False)
        return done.returncode, done.stdout

    def render(self, text, *args):
        return Files(self, text, *args)


class Files:
    """What "render" leaves of a stream, by their suffixes."""

    def __init__(self, command, text, *args):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "stream").write_text(text, encoding="utf-8")
            prefix = str(Path(folder, "out"))
            self.status, self.shown = command(
                "render", "--results", prefix, "--date", DATE, "--qemu", "7.2", *args,
                str(Path(folder, "stream")))
            self.sum = command("sum", prefix + ".json")
            self.twice = command("sum", prefix + ".json", prefix + ".json")
            for path in Path(folder).glob("out.*"):
                setattr(self, path.suffix[1:], path.read_text(encoding="utf-8"))
            self.data = json.loads(self.json)


def main(prefix, names):
    """Runs the functions test_… among NAMES; those with a text in their names, if one is given."""
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    tests = [(name[5:], test) for name, test in names.items()
             if name.startswith("test_") and only in name]
    failed = False
    print(f"TAP version 13\n1..{len(tests)}")
    for number, (name, test) in enumerate(tests, 1):
        try:
            test()
            print(f"ok {number} /{prefix}/{name}")
        except Exception:    # pylint: disable=broad-exception-caught
            failed = True
            print("".join(f"# {line}\n" for line in traceback.format_exc().splitlines()), end="")
            print(f"not ok {number} /{prefix}/{name}")
    return failed
