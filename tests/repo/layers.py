"""The layers of the project (CONTRIBUTING.md), as a table, and what breaks them.

`violations(root)` reads every source and every CMakeLists.txt below `root` and gives one line per breach. The table
says what a folder may include; the build files are held to the same table, and to naming what is included.
"""
import pathlib
import re

BASE = {"kubeclient/base"}
CODEC = BASE | {"kubeclient/codec"}
API = CODEC | {"kubeclient/api"}
CRDS = API | {"crds"}
EXPRESSION = CODEC | {"controllers/expression"}
# What a webhook brings and what becomes of it: the seam between the gateway, which knows no Kubernetes, and the shell.
DELIVERY = BASE | {"controllers/delivery"}
LOGIC = CRDS | EXPRESSION | {"controllers/logic"}
HTTP = CODEC | {"kubeclient/http"}
CLIENT = API | HTTP | {"kubeclient/client"}
RUNTIME = CLIENT | {"kubeclient/runtime"}
SHELL = LOGIC | DELIVERY | RUNTIME | {"controllers/shell"}

# Folder → folders it may include. Gateway, cli and local do not see each other; kubeclient knows no Pipeline.
ALLOWED = {
    "kubeclient/base": BASE,
    "kubeclient/codec": CODEC,
    "kubeclient/api": API,
    "kubeclient/http": HTTP,
    "kubeclient/client": CLIENT,
    "kubeclient/runtime": RUNTIME,
    "crds": CRDS,
    "controllers/delivery": DELIVERY,
    "controllers/expression": EXPRESSION,
    "controllers/logic": LOGIC,
    "controllers/shell": SHELL,
    "local/storage": BASE | {"local/storage"},
    "local/schema": CRDS | {"local/schema"},
    "local/patch": CRDS | {"local/schema", "local/patch"},
    "local/apiserver": CRDS | CLIENT | {"local/storage", "local/schema", "local/patch", "local/apiserver"},
    "local/executor": RUNTIME | {"local/apiserver", "local/executor"},
    "local/mode": SHELL | {"local/storage", "local/schema", "local/patch", "local/apiserver", "local/executor", "local/mode"},
    "operator/gateway": DELIVERY | {"operator/gateway"},
    "operator/cli": LOGIC | CLIENT | {"operator/cli"},
    "operator/bin": SHELL | {"local/mode", "operator/bin", "operator/cli", "operator/gateway"},
}
# No socket, thread, clock, log or environment here.
PURE = (
    "kubeclient/codec", "kubeclient/api", "crds", "controllers/delivery", "controllers/expression", "controllers/logic",
    "local/schema", "local/patch",
)
# These hold programs that look at everything; only the rules for foreign headers in headers hold there.
OUTSIDE = ("tests", "bench")

# Foreign library, by how its headers begin → the folders that include it, in .cc files.
FOREIGN = {
    "curl/": ("kubeclient/http",),
    "nlohmann/": ("kubeclient/codec",),
    "simdjson": ("kubeclient/codec",),
    "yaml-cpp/": ("kubeclient/codec",),
    "spdlog/": ("kubeclient/base",),
    "fmt/": ("kubeclient/base",),
    "CLI/": ("operator/cli",),
    "boost/": ("operator/gateway", "local/apiserver", "kubeclient/http"),
    "sqlite3": ("local/storage",),
}
# Parts of one component in several .cc files: they include foreign headers, and only this folder's server includes them.
INNER_HEADERS = {f"local/apiserver/server_{part}.h": "local/apiserver/server" for part in ("session", "tls", "worker")}
IMPURE_HEADERS = {
    "thread", "mutex", "shared_mutex", "condition_variable", "future", "semaphore", "latch", "barrier", "stop_token", "fstream",
    "iostream", "filesystem", "csignal", "random", "unistd.h", "pthread.h", "sys/socket.h", "sys/stat.h", "fcntl.h", "poll.h",
    "kubeclient/base/log.h", "kubeclient/base/metrics.h", "kubeclient/base/guarded.h",
}
IMPURE_WORDS = {
    r"\b(secure_)?getenv\s*\(": "reads the environment",
    r"\bSystemClock\b": "uses the machine's clock",
    r"\bClock\s*[&*]": "takes a clock; logic gets times as data",
    r"\b(system|steady|high_resolution)_clock\s*::\s*now\b": "reads the machine's clock",
    r"\b(clock_gettime|gettimeofday|std::time)\s*\(": "reads the machine's clock",
    r"\b(s?rand|random)\s*\(": "is random",
    r"\bLogger\b": "logs",
    r"\bstd::(cout|cerr|clog)\b": "prints",
    r"\b(fopen|popen|system)\s*\(": "reaches outside the process",
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
LIBRARY = re.compile(r"\bmillrace_library\s*\(\s*(\w+)([^)]*)\)", re.DOTALL)
LINK = re.compile(r"\btarget_link_libraries\s*\(\s*(\w+)([^)]*)\)", re.DOTALL)
# Comments first, then string and character literals; the contents of literals are no code.
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<!\w)\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def target_of(folder):
    """The target of a folder: its last part says it."""
    return "mr_" + folder.rsplit("/", 1)[-1]


FOLDER_OF = {target_of(folder): folder for folder in ALLOWED}


def without_noise(text, keep_literals):
    def blank(match):
        found = match.group()
        literal = not found.startswith("/")
        return found if literal and keep_literals else re.sub(r"[^\n]", " ", found)

    return NOISE.sub(blank, text)


def sources(root):
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if path.suffix in (".h", ".cc") and path.is_file() and parts[0] != "build" and ".git" not in parts:
            yield path.relative_to(root).as_posix(), path.read_text(errors="replace")


def folder_of(name):
    """The layer of a file, or None for those outside the table."""
    return next((folder for folder in ALLOWED if name.startswith(folder + "/")), None)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def check_source(name, text):
    """Breaches in one file, and the folders it includes."""
    found, used = [], set()
    folder = folder_of(name)
    header = name.endswith(".h")
    outside = name.split("/", 1)[0] in OUTSIDE
    if folder is None and not outside:
        return [f"{name}: in no layer; give its folder a place in tests/repo/layers.py"], used
    code = without_noise(text, keep_literals=True)
    for match in INCLUDE.finditer(code):
        kind, included = match.groups()
        where = f"{name}:{line_of(code, match.start())}"
        owners = next((owners for prefix, owners in FOREIGN.items() if included.startswith(prefix)), None)
        if owners and header and name not in INNER_HEADERS:
            found.append(f"{where}: <{included}> in a header; foreign libraries stay in .cc files")
        elif owners and not outside and folder not in owners:
            found.append(f"{where}: <{included}> outside {' and '.join(owners)}, where alone it is used")
        if not name.startswith(INNER_HEADERS.get(included, "")):
            found.append(f"{where}: {included} is for {INNER_HEADERS[included]}*")
        if folder in PURE and included in IMPURE_HEADERS:
            found.append(f"{where}: {included} in {folder}, which is pure")
        if kind == '"' and not outside:
            target = folder_of(included)
            if target is None:
                found.append(f'{where}: "{included}" is not a path from the root into a layer')
            elif target not in ALLOWED[folder]:
                found.append(f"{where}: {folder} may not include {target}")
            else:
                used.add(target)
    if folder in PURE:
        code = without_noise(text, keep_literals=False)
        for pattern, what in IMPURE_WORDS.items():
            for match in re.finditer(pattern, code):
                found.append(f"{name}:{line_of(code, match.start())}: {what}, but {folder} is pure")
    return found, used


def dependencies(text):
    """Targets of ours that a CMakeLists.txt links, by target."""
    links = {}
    for match in (*LIBRARY.finditer(text), *LINK.finditer(text)):
        links.setdefault(match[1], set()).update(re.findall(r"\bmr_\w+", match[2]))
    return links


def check_build(name, text, used):
    """Breaches in one CMakeLists.txt; `used` is what each folder includes."""
    found = []
    for target, linked in dependencies(re.sub(r"#[^\n]*", "", text)).items():
        folder = FOLDER_OF.get(target)
        if folder is None:
            if target.startswith("mr_") and name.split("/", 1)[0] not in OUTSIDE:
                found.append(f"{name}: {target} is in no layer; give its folder a place in tests/repo/layers.py")
            continue
        linked_folders = {FOLDER_OF.get(dependency, dependency) for dependency in linked}
        for extra in sorted(linked_folders - ALLOWED[folder]):
            found.append(f"{name}: {target} may not link {target_of(extra)}")
        for missing in sorted(used.get(folder, set()) - linked_folders - {folder}):
            found.append(f"{name}: {target} includes {missing} but does not link {target_of(missing)}")
    return found


def violations(root):
    """Every breach of the layers below `root`, one line each."""
    root = pathlib.Path(root)
    found, used = [], {}
    for name, text in sources(root):
        breaches, includes = check_source(name, text)
        found += breaches
        used.setdefault(folder_of(name), set()).update(includes)
    for path in sorted(root.rglob("CMakeLists.txt")):
        name = path.relative_to(root).as_posix()
        if name.split("/", 1)[0] != "build":
            found += check_build(name, path.read_text(), used)
    return found


def cycles():
    """Pairs of folders that may include each other: none, or the table itself is wrong."""
    return [(a, b) for a in ALLOWED for b in ALLOWED[a] if a < b and a in ALLOWED[b]]
