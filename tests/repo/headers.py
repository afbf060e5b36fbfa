#!/usr/bin/env python3
"""Compiles every header alone: each must bring what it uses. Run by pytest and by the build target `headers`.

A header that its own source includes before anything else needs no look: the build has compiled it alone already.

usage: headers.py [COMPILER]
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGS = ["-std=c++20", "-O0", "-x", "c++"]  # warnings are the business of the build


def all_headers(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*.h")
                  if path.relative_to(root).parts[0] not in ("build", ".git"))


def proven_by_build(header, root):
    """Whether the .cc file of the same name begins with this header."""
    stem = header.removesuffix(".h")
    source = root / f"{stem}.cc"
    first = re.search(r'^#include\s*["<](.*)[">]', source.read_text(), re.MULTILINE) if source.is_file() else None
    return first is not None and first[1] == header


def complaint_about(header, root=ROOT, compiler="c++"):
    """What the compiler says against `header` on its own, or "" when it compiles."""
    # ccache knows -c, but not -fsyntax-only; with it, an unchanged header costs milliseconds.
    launcher = [shutil.which("ccache")] if shutil.which("ccache") else []
    with tempfile.NamedTemporaryFile(suffix=".o") as out:
        done = subprocess.run([*launcher, compiler, *FLAGS, "-I.", "-include", header, "-c", os.devnull, "-o", out.name],
                              cwd=root, capture_output=True, text=True)
    return "" if done.returncode == 0 else f"{header} does not compile alone:\n{done.stderr[:2000]}"


def complaints(root=ROOT, compiler="c++"):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        alone = [header for header in all_headers(root) if not proven_by_build(header, root)]
        found = pool.map(lambda header: complaint_about(header, root, compiler), alone)
    return [text for text in found if text]


if __name__ == "__main__":
    failures = complaints(compiler=sys.argv[1] if len(sys.argv) > 1 else "c++")
    print("\n".join(failures) or f"{len(all_headers(ROOT))} headers compile alone")
    sys.exit(1 if failures else 0)
