"""The counting of scripts/test: what it must say of each kind of result."""
import pathlib
import subprocess
import sys

TALLY = pathlib.Path(__file__).resolve().parents[1] / "tally.py"

CTEST = """<testsuite name="(empty)" tests="4"><testcase name="a_test.A.ok" classname="a_test.A.ok" status="run"/>
<testcase name="a_test.A.bad" classname="a_test.A.bad" status="fail"><failure message=""/>
<system-out>[ RUN ] A.bad
a_test.cc:7: Failure
Expected: 1
</system-out></testcase>
<testcase name="a_test.A.skip" classname="a_test.A.skip" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>
<system-out>a_test.cc:3: Skipped
no IPv6 here

[  SKIPPED ] A.skip</system-out></testcase>
<testcase name="a_test.A.off" classname="a_test.A.off" status="disabled"><skipped message="Disabled"/></testcase></testsuite>"""
PYTEST = """<testsuites><testsuite><testcase classname="test_x" name="test_ok"/>
<testcase classname="test_x" name="test_no"><failure message="assert 1 == 2">long</failure></testcase>
<testcase classname="test_x" name="test_boom"><error message="fixture broke">long</error></testcase>
<testcase classname="test_x" name="test_later"><skipped message="no real node: needs root"/></testcase></testsuite></testsuites>"""


def tally(folder, *broken):
    done = subprocess.run([sys.executable, TALLY, folder, *broken], capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()


def test_every_case_of_ctest_and_pytest_counts_once(tmp_path):
    (tmp_path / "ctest-dev.xml").write_text(CTEST)
    (tmp_path / "pytest-cluster.xml").write_text(PYTEST)
    code, lines = tally(tmp_path)
    assert code == 1
    assert lines[-1] == "2 passed, 3 failed, 3 skipped"
    assert "SKIPPED  ctest-dev: a_test.A.skip: no IPv6 here" in lines
    assert "SKIPPED  pytest-cluster: test_x.test_later: no real node: needs root" in lines
    at = lines.index("FAILED  ctest-dev: a_test.A.bad: a_test.cc:7: Failure")
    assert lines[at + 1].strip() == "Expected: 1"
    assert "FAILED  pytest-cluster: test_x.test_no: assert 1 == 2" in lines


def test_all_good_is_exit_code_0(tmp_path):
    (tmp_path / "p.xml").write_text('<testsuites><testsuite><testcase classname="t" name="a"/></testsuite></testsuites>')
    assert tally(tmp_path) == (0, ["1 passed, 0 failed, 0 skipped"])


def test_broken_stages_unreadable_files_and_empty_runs_fail(tmp_path):
    assert tally(tmp_path, "build dev")[0] == 1
    assert tally(tmp_path, "build dev")[1][-1] == "0 passed, 1 failed, 0 skipped"
    assert tally(tmp_path)[0] == 1
    (tmp_path / "cut.xml").write_text("<testsuites><tests")
    assert tally(tmp_path)[1][-1] == "0 passed, 1 failed, 0 skipped"
