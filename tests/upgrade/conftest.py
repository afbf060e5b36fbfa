"""The fixtures of the end-to-end tests (../e2e/conftest.py), for what the builds of this project leave to one another."""
import importlib.util
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
_there = importlib.util.spec_from_file_location("e2e_conftest", HERE.parent / "e2e/conftest.py")
_module = importlib.util.module_from_spec(_there)
_there.loader.exec_module(_module)
globals().update({name: value for name, value in vars(_module).items() if not name.startswith("_")})
sys.path.insert(0, str(HERE))
