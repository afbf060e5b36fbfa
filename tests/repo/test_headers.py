"""Every header compiles alone, and the check sees one that does not."""
import headers


def test_each_header_compiles_alone():
    assert headers.all_headers(headers.ROOT), "no headers found"
    found = headers.complaints()
    assert not found, "\n".join(found)


def test_a_header_that_leans_on_others_is_seen(tmp_path):
    (tmp_path / "good.h").write_text("#pragma once\n#include <string>\nstd::string f();\n")
    (tmp_path / "bad.h").write_text("#pragma once\nstd::string f();\n")
    (tmp_path / "uses_good.h").write_text('#pragma once\n#include "good.h"\ninline auto g() { return f(); }\n')
    (tmp_path / "own.h").write_text("#pragma once\nstd::string f();\n")  # left to the build, which compiles own.cc
    (tmp_path / "own.cc").write_text('#include "own.h"\n\n#include <string>\n')
    (tmp_path / "late.h").write_text("#pragma once\nstd::string f();\n")
    (tmp_path / "late.cc").write_text('#include <string>\n\n#include "late.h"\n')
    found = headers.complaints(tmp_path)
    assert [text.split()[0] for text in found] == ["bad.h", "late.h"], found
