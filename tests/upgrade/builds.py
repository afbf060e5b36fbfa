"""The program and the CRDs as they were at another commit of this repository; built once, kept in ~/.cache/millrace/previous."""
import fcntl
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "millrace/previous"


def commit_of(ref):
    """The full commit, or None when this clone does not have it (no git, or no such history)."""
    done = subprocess.run(["git", "-C", ROOT, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def build(commit):
    """Folder with `millrace` and `crds/` of that commit. Minutes when it was never built here; compiler output goes to build.log."""
    folder = CACHE / commit
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "millrace").exists():
            _compile(commit, folder)
    return folder


def _compile(commit, folder):
    source = folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    with subprocess.Popen(["git", "-C", ROOT, "archive", commit], stdout=subprocess.PIPE) as archive:
        subprocess.run(["tar", "-x", "-C", source], stdin=archive.stdout, check=True)
    assert archive.returncode == 0, f"git archive {commit} failed"
    # Relative to the folder of the sources, so that ccache knows files that are still as they are here.
    environment = {**os.environ, "CCACHE_BASEDIR": str(folder), "CCACHE_NOHASHDIR": "1"}
    with open(folder / "build.log", "w") as log:
        for command in (["cmake", "--preset", "release"], ["nice", "ninja", "-C", "build/release", f"-j{os.cpu_count()}", "millrace"]):
            done = subprocess.run(command, cwd=source, env=environment, stdout=log, stderr=log)
            assert done.returncode == 0, f"{' '.join(command)} of {commit} failed: {folder}/build.log"
    shutil.rmtree(folder / "crds", ignore_errors=True)
    shutil.copytree(source / "manifests/crds", folder / "crds")
    shutil.copy2(source / "build/release/bin/millrace", folder / "millrace.new")
    os.rename(folder / "millrace.new", folder / "millrace")
    shutil.rmtree(source)
