"""What a newcomer copies from the pages works: samples, the image, examples, metrics and links."""
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml

from test_tree import ROOT, tracked

PAGES = tracked("*.md")
PROGRAM = next((ROOT / f"build/{preset}/bin/millrace" for preset in ("release", "dev") if (ROOT / f"build/{preset}/bin/millrace").exists()), None)
PLAIN = ["hello", "local", "stream"]  # samples that need no adapter images
BASE = {"libc6", "libgcc-s1", "libstdc++6"}  # of every Debian image


def validate(*words, **options):
    assert PROGRAM, "no millrace binary was built"
    return subprocess.run([PROGRAM, "validate", *words], capture_output=True, text=True, cwd=ROOT, **options)


@pytest.mark.parametrize("name", PLAIN)
def test_a_sample_needs_nothing_but_what_is_installed(name):
    done = validate("--config", "config/millrace.yaml", f"manifests/samples/{name}.yaml")
    assert done.returncode == 0, done.stderr


def test_the_other_samples_say_that_they_need_adapter_images():
    others = [path for path in tracked("manifests/samples/*.yaml") if path.parent.name != "samples" or path.stem not in PLAIN]
    assert others
    for path in others:
        assert "config/demo.yaml" in path.read_text(), f"{path.relative_to(ROOT)} does not say which configuration it needs"
        assert validate("--config", "config/millrace.yaml", path).returncode == 1, f"{path.relative_to(ROOT)} needs no adapter images: add it to PLAIN"


def examples():
    """Every block of YAML in the user's pages that holds a whole Pipeline."""
    for page in [ROOT / "README.md", *tracked("docs/*.md")]:
        text = page.read_text()
        for block in re.finditer(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            if re.search(r"^kind: Pipeline$", block[1], re.MULTILINE):
                yield pytest.param(block[1], id=f"{page.name}:{text.count(chr(10), 0, block.start()) + 2}")


@pytest.mark.parametrize("text", examples())
def test_a_pipeline_in_a_page_is_valid(text):
    done = validate("--config", "config/demo.yaml", "-", input=text)
    assert done.returncode == 0, done.stderr


def stages():
    """The packages that each stage of the Containerfile installs."""
    lists = re.findall(r"apt-get install -y --no-install-recommends(.*?)&&", (ROOT / "Containerfile").read_text(), re.DOTALL)
    return [set(each.replace("\\", " ").split()) for each in lists]


def test_the_image_is_built_with_the_packages_that_a_build_needs():
    wanted = re.search(r"^build_packages=\((.*?)^\)", (ROOT / "scripts/setup").read_text(), re.MULTILINE | re.DOTALL)[1].split()
    assert len(wanted) > 10
    missing = set(wanted) - {"ccache", "mold"} - stages()[0]  # those two only make it faster
    assert not missing, f"the first stage of the Containerfile lacks {missing}"


@pytest.mark.skipif(not shutil.which("dpkg-query") or not shutil.which("readelf"), reason="no dpkg or no readelf: packages of libraries are not known")
def test_the_image_holds_the_libraries_that_the_program_is_linked_with():
    assert PROGRAM, "no millrace binary was built"
    dynamic = subprocess.run(["readelf", "-d", PROGRAM], capture_output=True, text=True, check=True).stdout
    # Without those of sanitizers, should there be no release build.
    needed = [name for name in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic) if not re.match(r"lib[a-z]*san\.|ld-linux", name)]
    assert len(needed) > 5
    missing = set()
    for name in needed:
        found = subprocess.run(["dpkg-query", "-S", f"*/{name}"], capture_output=True, text=True).stdout
        packages = {line.split(":")[0] for line in found.splitlines()}
        if packages and not packages & (stages()[1] | BASE):
            missing.add(f"{' or '.join(packages)} ({name})")
    assert not missing, f"the second stage of the Containerfile lacks {missing}"


def test_what_is_built_here_does_not_go_into_the_image():
    assert {"build", ".git"} <= set((ROOT / ".dockerignore").read_text().split())  # docker and podman read this name


def test_the_page_of_metrics_has_each_that_the_program_has():
    page = set(re.findall(r"`(millrace_[a-z_]+)`", (ROOT / "docs/metrics.md").read_text()))
    made = {name for path in tracked("kubeclient/*", "controllers/*", "operator/*") if path.suffix in (".h", ".cc")
            for name in re.findall(r'\b(?:counter|gauge|histogram|computed)\(\s*"(millrace_[a-z_]+)"', path.read_text())}
    assert len(made) > 20 and page == made


def anchors(text):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = page.parent / path if path else page
        assert target.exists(), f"{link} does not exist"
        assert not anchor or anchor in anchors(target.read_text()), f"{link}: there is no such heading"
