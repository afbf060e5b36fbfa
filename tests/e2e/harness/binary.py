"""The program under test."""
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[3]


def millrace_binary():
    """Path of the binary: MILLRACE_BIN, else the release build, else the dev build."""
    for path in filter(None, [os.environ.get("MILLRACE_BIN"), ROOT / "build/release/bin/millrace", ROOT / "build/dev/bin/millrace"]):
        if os.access(path, os.X_OK):
            return pathlib.Path(path)
    raise AssertionError("no millrace binary: build one (cmake --preset release && cmake --build --preset release), or set MILLRACE_BIN")
