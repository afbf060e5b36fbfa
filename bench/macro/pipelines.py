"""The pipelines under test."""

ADAPTER = "millrace.test/adapter:1"


def pipeline(name, spec):
    return {"apiVersion": "millrace.dev/v1", "kind": "Pipeline", "metadata": {"name": name}, "spec": spec}


def run_of(name):
    """A template of load."""
    return {"apiVersion": "millrace.dev/v1", "kind": "PipelineRun", "metadata": {"name": "$(NAME)"}, "spec": {"refPipeline": name}}


def chain(name, steps):
    """Container steps, each after the one before."""
    return pipeline(name, {"steps": [container_step(i, [i - 1] if i else []) for i in range(steps)]})


def fan_out(name, width):
    """Container steps that wait for nothing."""
    return pipeline(name, {"parallelism": width, "steps": [container_step(i, []) for i in range(width)]})


def container_step(i, needs):
    step = {"name": step_name(i), "container": {"image": "busybox:1", "command": ["true"]}}
    return {**step, "dependsOn": [step_name(each) for each in needs]} if needs else step


def step_name(i):
    return f"s{i:02}"


def batch(name, steps=3):
    """One pod: input, processors, one output."""
    processors = [{"name": f"step{i + 1}", "image": "busybox:1", "command": ["true"]} for i in range(steps - 2)]
    return pipeline(name, {"batchJob": {"input": {"apiServer": {"server": "http://in.test"}}, "processors": processors,
                                        "outputs": [{"name": "out", "custom": {"image": ADAPTER}}]}})


def http_stages(name, stages, target):
    """Stages of one call each; a call brings the run's webhook id, and what the one before answered."""
    steps = []
    for i in range(stages):
        body = {"n": "{{ trigger.body.n }}"} if i == 0 else {"before": f"{{{{ steps.s{i - 1:02}.response.status }}}}"}
        call = {"url": f"http://127.0.0.1:{target}/s{i:02}", "headers": [{"name": "X-Run", "value": "{{ trigger.id }}"}], "body": body}
        steps.append({"name": step_name(i), "stage": f"stage{i:02}", "http": call})
    return pipeline(name, {"triggers": [{"type": "webhook"}], "stages": [step["stage"] for step in steps], "steps": steps})


def needs_of(spec):
    """Steps that each step of a pipeline comes after, by name."""
    return {step["name"]: step.get("dependsOn", []) for step in spec.get("steps", [])}
