"""Checks of the tree itself, on the files git knows."""
import os
import pathlib
import re
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]


def tracked(*patterns):
    """Files of the tree: tracked ones, or, in an unpacked archive without git, all that are not built."""
    done = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--", *patterns], capture_output=True, text=True)
    if done.returncode == 0:
        return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]
    found = [path for pattern in patterns or ["*"] for path in ROOT.rglob(pattern) if path.is_file()]
    return [path for path in found if not {"build", ".git", "__pycache__"} & set(path.relative_to(ROOT).parts)]


def test_cpp_is_formatted():
    files = tracked("*.h", "*.cc")
    assert files
    done = subprocess.run(["clang-format-14", "--dry-run", "--Werror", *files], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[:5000]


@pytest.mark.parametrize("folder", ["kubeclient", "crds", "controllers", "local", "operator", "tests", "bench", "manifests", "config"])
def test_each_top_level_folder_says_what_it_is(folder):
    readme = ROOT / folder / "README.md"
    assert readme.is_file() and len(readme.read_text()) > 200


def test_build_files_name_their_sources():
    for path in tracked("CMakeLists.txt", "*/CMakeLists.txt", "*.cmake"):
        assert not re.search(r"file\s*\(\s*GLOB", path.read_text(), re.IGNORECASE), f"{path} globs"


def test_no_file_knows_the_machine_it_was_written_on():
    places = re.compile(r"(?<![\w.])/(work/(main|shared)|home/\w|root/\.|root/go|Users/\w)|\.\./shared\b")
    for path in tracked():
        if path.suffix in (".sum", ".png") or path == pathlib.Path(__file__).resolve() or path.name == "LICENSE":
            continue
        found = places.search(path.read_text(errors="replace"))
        assert not found, f"{path.relative_to(ROOT)} names {found.group()}"


def test_scripts_are_executable_and_parse():
    for path in [ROOT / name for name in ("scripts/setup", "scripts/test", "scripts/demo", ".ci/run")]:
        assert os.access(path, os.X_OK), path
        subprocess.run(["bash", "-n", path], check=True)
    for path in tracked("*.py", "tests/cluster/cluster"):
        compile(path.read_text(), str(path), "exec")


def test_manifests_and_samples_are_yaml_with_a_kind():
    for path in tracked("manifests/*.yaml", "manifests/**/*.yaml"):
        documents = [document for document in yaml.safe_load_all(path.read_text()) if document]
        assert documents, path
        for document in documents:
            assert "kind" in document and "apiVersion" in document, path


def test_generated_crds_are_what_the_program_prints():
    program = next((path for path in (ROOT / f"build/{preset}/bin/millrace" for preset in ("release", "dev")) if path.exists()), None)
    assert program, "no millrace binary was built"
    printed = subprocess.run([program, "crds"], capture_output=True, text=True, check=True).stdout
    stored = {}
    for path in tracked("manifests/crds/*.yaml"):
        for document in yaml.safe_load_all(path.read_text()):
            if document and document["kind"] == "CustomResourceDefinition":
                stored[document["metadata"]["name"]] = document
    fresh = {document["metadata"]["name"]: document for document in yaml.safe_load_all(printed) if document}
    assert fresh and fresh == stored, "manifests/crds is stale"


def test_licence_is_the_full_apache_text():
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text and "Version 2.0, January 2004" in text and "END OF TERMS AND CONDITIONS" in text
