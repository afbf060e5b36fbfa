"""What README.md and docs/ show works as it stands there: every Pipeline is valid, and those that need no other machine run."""
import json
import pathlib
import re

import pytest
import yaml

from test_commands import Commands, end_of
from test_webhooks import post, ready

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def pipelines(page):
    """The YAML blocks of a page that are whole Pipelines."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [block for block in blocks if re.search(r"^kind: Pipeline$", block, re.MULTILINE)]


def steps(page):
    """The YAML blocks that are one step or several."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [block for block in blocks if block.startswith("- name: ")]


SHOWN = [(page, block) for page in PAGES for block in pipelines(page)]


@pytest.mark.parametrize("page, block", SHOWN, ids=[f"{page.stem}-{i}" for i, (page, _) in enumerate(SHOWN)])
def test_a_pipeline_that_is_shown_is_valid(local, page, block):
    done = Commands(local)("validate", "-", stdin=block)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_pages_show_pipelines():
    assert {page.stem for page, _ in SHOWN} >= {"README", "steps", "webhooks"}


@pytest.mark.parametrize("block", steps(ROOT / "docs/steps.md"), ids=lambda block: block.splitlines()[0].removeprefix("- name: "))
def test_a_step_that_is_shown_is_valid_in_a_pipeline(local, block):
    """With the params, steps and matrix that it reads being there."""
    shown = yaml.safe_load(block)
    others = set(re.findall(r"steps\.(\w+)\.", block)) - {each["name"] for each in shown}
    params = set(re.findall(r"params\.(\w+)", block))
    before = [{"name": name, "wait": {"duration": "0s"}} for name in sorted(others)]
    pipeline = {"apiVersion": "millrace.dev/v1", "kind": "Pipeline", "metadata": {"name": "p"}, "spec": {
        "params": [{"name": name, **({"type": "list"} if name == "sizes" else {})} for name in sorted(params)],
        "steps": before + [{**each, **({"dependsOn": sorted(others)} if others else {})} for each in shown]}}
    done = Commands(local)("validate", "-", stdin=yaml.safe_dump(pipeline))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_graph_of_the_readme_runs(local, tmp_path):
    [shown] = [block for block in pipelines(ROOT / "README.md") if "name: import" in block]
    file = tmp_path / "import.yaml"
    file.write_text(shown)
    done = local.command("run", file)
    assert done.returncode == 0 and "loading 3 rows of orders.csv" in done.stdout, done.stdout + done.stderr


def test_the_webhook_of_its_page_takes_the_delivery_that_is_shown(up):
    page = (ROOT / "docs/webhooks.md").read_text()
    up.kubectl("create", "namespace", "shop")
    up.kubectl(*re.search(r"^kubectl (-n shop create secret .*)$", page, re.MULTILINE)[1].split())
    up.apply(pipelines(ROOT / "docs/webhooks.md")[0])
    up.kubectl("wait", "-n", "shop", "--for=condition=Ready", "pipeline/build", "--timeout=30s")
    shown = re.search(r"^curl -i \"\$URL(\S+)\" -H '(\w+): ([^']*)' .*-d '(.*)'$", page, re.MULTILINE)
    status, headers, body = post(up.status()["webhooks"].removesuffix("/webhook") + shown[1], json.loads(shown[4]), **{shown[2]: shown[3]})
    assert status == 202, body
    name = headers["X-Millrace-Run"].partition("/")[2]
    up.kubectl("wait", "-n", "shop", "--for=condition=Succeeded", f"pipelinerun/{name}", "--timeout=30s")
    assert "building main for nobody" in up.kubectl("logs", "-n", "shop", "-l", f"pipeline-run={name}")


def test_the_pipeline_of_the_page_of_steps_runs_up_to_what_is_elsewhere(local, tmp_path):
    """Its last step calls a service of example.org, which is denied here before anything is looked up."""
    (tmp_path / "config.yaml").write_text("http: {deny: ['*.example.org']}\n")
    assert local.command("up", "--config", tmp_path / "config.yaml").returncode == 0
    local.apply(pipelines(ROOT / "docs/steps.md")[0])
    ready(local, "import")
    name = Commands(local).good("start", "import", "-p", "file=orders.csv", "-o", "name").strip().split("/")[1]
    end_of(local, name)
    states = {each["name"]: each for each in local.get("plr", name)["status"]["stepStates"]}
    assert states["count"]["outputs"] == {"rows": "100"} and states["load"]["state"] == "Succeeded"
    assert states["tell"]["reason"] == states["alarm"]["reason"] == "TargetDenied"
