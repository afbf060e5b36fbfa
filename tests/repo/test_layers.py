"""The layers hold in this tree, and the check sees when they do not."""
import pathlib

import pytest

import layers

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_the_tree_keeps_its_layers():
    assert list(layers.sources(ROOT)), "no sources found"
    found = layers.violations(ROOT)
    assert not found, "\n".join(found)


def test_the_table_has_no_cycle_and_only_folders_that_exist():
    assert not layers.cycles()
    for folder, allowed in layers.ALLOWED.items():
        assert (ROOT / folder).is_dir(), folder
        assert allowed <= set(layers.ALLOWED), folder


# Name, files of a small tree, and a part of the one complaint it must give (None: no complaint).
CASES = [
    ("the line below", {"kubeclient/client/a.cc": '#include "kubeclient/http/b.h"\n'}, None),
    ("left uses right", {"controllers/shell/a.cc": '#include "controllers/logic/b.h"\n'}, None),
    ("tests see everything", {"tests/unit/x/a_test.cc": '#include "operator/cli/b.h"\n#include <thread>\n'}, None),
    ("a foreign library at home", {"kubeclient/http/a.cc": "#include <curl/curl.h>\n"}, None),
    ("an include in a comment", {"crds/a.cc": '// #include "operator/cli/b.h"\n/* #include <thread>\n#include <mutex> */\n'}, None),
    ("words in comments and literals", {"crds/a.cc": '// getenv(x)\nauto s = "getenv(y) SystemClock";\nint n = 1\'000; // \'\n'}, None),
    ("right uses left", {"controllers/logic/a.cc": '\n#include "kubeclient/client/b.h"\n'},
     "controllers/logic/a.cc:2: controllers/logic may not include kubeclient/client"),
    ("upwards", {"kubeclient/base/a.h": '#include "kubeclient/codec/b.h"\n'}, "may not include kubeclient/codec"),
    ("kubeclient names a Pipeline", {"kubeclient/runtime/a.cc": '#include "crds/pipeline.h"\n'}, "may not include crds"),
    ("cli sees gateway", {"operator/cli/a.cc": '#include "operator/gateway/b.h"\n'}, "may not include operator/gateway"),
    ("gateway sees cli", {"operator/gateway/a.cc": '#include "operator/cli/b.h"\n'}, "may not include operator/cli"),
    ("production sees tests", {"crds/a.cc": '#include "tests/support/b.h"\n'}, "not a path from the root into a layer"),
    ("not from the root", {"crds/a.cc": '#include "pipeline.h"\n'}, "not a path from the root into a layer"),
    ("an unknown folder", {"tools/a.cc": "int a;\n"}, "tools/a.cc: in no layer"),
    ("curl elsewhere", {"kubeclient/client/a.cc": "#include <curl/curl.h>\n"}, "outside kubeclient/http"),
    ("a JSON parser elsewhere", {"crds/a.cc": "#  include <nlohmann/json.hpp>\n"}, "outside kubeclient/codec"),
    ("a JSON parser in a header", {"kubeclient/codec/a.h": "#include <nlohmann/json.hpp>\n"}, "in a header"),
    ("a JSON parser in a header of tests", {"tests/support/a.h": "#include <nlohmann/json.hpp>\n"}, "in a header"),
    ("simdjson elsewhere", {"kubeclient/runtime/a.cc": "#include <simdjson.h>\n"}, "outside kubeclient/codec"),
    ("spdlog elsewhere", {"controllers/shell/a.cc": "#include <spdlog/spdlog.h>\n"}, "outside kubeclient/base"),
    ("YAML elsewhere", {"operator/cli/a.cc": "#include <yaml-cpp/yaml.h>\n"}, "outside kubeclient/codec"),
    ("CLI11 elsewhere", {"operator/bin/a.cc": "#include <CLI/CLI.hpp>\n"}, "outside operator/cli"),
    ("an inner header outside", {"local/apiserver/api.cc": '#include "local/apiserver/server_tls.h"\n'}, "is for"),
    ("Boost in a header", {"operator/gateway/a.h": "#include <boost/asio.hpp>\n"}, "in a header"),
    ("a thread in a pure folder", {"controllers/logic/a.cc": "#include <thread>\n"}, "thread in controllers/logic, which is pure"),
    ("a lock in a pure folder", {"kubeclient/codec/a.cc": "#include <mutex>\n"}, "mutex in kubeclient/codec"),
    ("a file in a pure folder", {"crds/a.cc": "#include <fstream>\n"}, "fstream in crds"),
    ("a stream in a pure folder", {"kubeclient/api/a.h": "#include <iostream>\n"}, "iostream in kubeclient/api"),
    ("a log in a pure folder", {"crds/a.cc": '#include "kubeclient/base/log.h"\n'}, "log.h in crds"),
    ("the environment", {"crds/a.cc": 'auto x = std::getenv("HOME");\n'}, "crds/a.cc:1: reads the environment"),
    ("the machine's clock", {"crds/a.cc": "\n\nauto t = std::chrono::system_clock::now();\n"}, "crds/a.cc:3: reads the machine's clock"),
    ("a clock handed in", {"controllers/logic/a.h": "void f(const Clock& clock);\n"}, "logic gets times as data"),
    ("a link upwards", {"crds/CMakeLists.txt": "millrace_library(mr_crds\n  SOURCES a.cc\n  DEPS mr_api mr_logic)\n"},
     "crds/CMakeLists.txt: mr_crds may not link mr_logic"),
    ("a link upwards behind the back", {"crds/CMakeLists.txt": "target_link_libraries(mr_crds PRIVATE mr_runtime)\n"},
     "mr_crds may not link mr_runtime"),
    ("a link of the one beside", {"operator/cli/CMakeLists.txt": "millrace_library(mr_cli SOURCES a.cc DEPS mr_gateway)\n"},
     "mr_cli may not link mr_gateway"),
    ("an include without a link",
     {"crds/a.cc": '#include "kubeclient/api/meta.h"\n', "crds/CMakeLists.txt": "millrace_library(mr_crds SOURCES a.cc DEPS mr_base)\n"},
     "mr_crds includes kubeclient/api but does not link mr_api"),
    ("a target in no layer", {"tools/CMakeLists.txt": "millrace_library(mr_tools SOURCES a.cc)\n"}, "mr_tools is in no layer"),
    ("a link in a comment", {"crds/CMakeLists.txt": "# millrace_library(mr_crds SOURCES a.cc DEPS mr_shell)\n"}, None),
]


@pytest.mark.parametrize("name,files,complaint", CASES, ids=[case[0] for case in CASES])
def test_a_small_tree(tmp_path, name, files, complaint):
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    found = layers.violations(tmp_path)
    if complaint is None:
        assert found == []
    else:
        assert len(found) == 1 and complaint in found[0], found
