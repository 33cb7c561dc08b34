"""`shipped`: which package `import further_link` finds, and that it is wholly that one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import PACKAGE, environment

pytestmark = pytest.mark.slow

OLD = {
    "__init__.py": """
from .lib.keyboard_button import KeyboardButton
from .version import __version__
""",
    "version.py": "__version__ = '5.2.1'\n",
    "lib/__init__.py": "",
    "lib/keyboard_button.py": "class KeyboardButton:\n    old = True\n",
    "__main__.py": "print('the old server', __package__)\n",
}

REPORT = """
import json, sys
import further_link
print(json.dumps({
    "version": further_link.__version__,
    "file": further_link.__file__,
    "path": list(getattr(further_link, "__path__", [])),
    "origin": further_link.__spec__.origin,
    "name": further_link.__name__,
    "package": further_link.__package__,
    "loader": further_link.__loader__ is further_link.__spec__.loader,
    "button": further_link.KeyboardButton.__module__,
    "same": sys.modules["further_link"] is further_link,
    "left": [name for name in vars(further_link) if "become" in name],
}))
"""


def write(folder, files):
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """The folders as the server unpacks them."""
    folder = tmp_path_factory.mktemp("state") / "python" / "0.1.0"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(str(PACKAGE / "shipped"), str(folder / "path"), ignore=ignore)
    shutil.copytree(
        str(PACKAGE / "further_link"), str(folder / "lib" / "further_link"), ignore=ignore
    )
    return folder


def run(state, code, *arguments, python=sys.executable, path="", cwd=None, **options):
    """Run a program with the folder on its PYTHONPATH, and return what it prints."""
    variables = environment(PYTHONPATH=os.pathsep.join(filter(None, [path, str(state / "path")])))
    result = subprocess.run(
        [str(python), *arguments, *(["-c", code] if code else [])],
        env=variables,
        cwd=str(cwd or state),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=120,
        **options,
    )
    error = result.stderr.decode()
    return result.returncode, result.stdout.decode(), error


def report(state, **options):
    status, out, error = run(state, REPORT, **options)
    assert status == 0, error
    found = json.loads(out)
    assert found["same"] and found["loader"] and found["left"] == []
    assert found["name"] == found["package"] == "further_link"
    assert found["file"] == found["origin"]
    own, behind = found["path"][0], found["path"][1:]
    assert own == os.path.dirname(found["file"])
    # What the server has brought, for a package that lacks the part for matplotlib.
    older = not os.path.exists(os.path.join(own, "matplotlib.py"))
    assert [folder.endswith(os.path.join("lib", "further_link")) for folder in behind] == [
        True
    ] * older
    return found


def assert_shipped(state, found):
    lib = os.path.realpath(str(state / "lib" / "further_link"))
    assert os.path.realpath(found["path"][0]) == lib
    assert found["file"].endswith(os.path.join("lib", "further_link", "__init__.py"))
    assert found["version"] == "0.1.0"
    assert found["button"] == "further_link.keyboard"


def test_it_works_where_nobody_has_installed_anything(state):
    assert_shipped(state, report(state))


def test_all_of_the_package_is_there(state):
    status, out, error = run(
        state,
        """
import pickle, pkgutil, sys, inspect, importlib.util
import further_link, further_link.keyboard
from further_link import *
from further_link import widgets, _wire
from further_link.video import send_image as another
assert another is further_link.send_image is send_image
assert further_link.keyboard is sys.modules["further_link.keyboard"]
assert pickle.loads(pickle.dumps(KeyboardButton)) is KeyboardButton
assert pickle.loads(pickle.dumps(plot)) is plot
assert pickle.loads(pickle.dumps(further_link.widgets.Slider)) is Slider
names = {module.name for module in pkgutil.iter_modules(further_link.__path__)}
assert {"keyboard", "video", "plots", "widgets", "matplotlib"} <= names, names
assert importlib.util.find_spec("further_link") is further_link.__spec__
assert inspect.getsource(further_link).startswith('\"\"\"Keys, pictures')
assert further_link.__doc__.startswith("Keys, pictures")
assert not getattr(further_link.__spec__, "_initializing")
try:
    further_link.nothing
except AttributeError as error:
    assert "module 'further_link' has no attribute 'nothing'" in str(error)
else:
    assert False
try:
    import further_link.nothing
except ModuleNotFoundError as error:
    assert str(error) == "No module named 'further_link.nothing'"
else:
    assert False
print("good")
""",
    )
    assert (status, out) == (0, "good\n"), error


def test_submodule_first(state):
    for code in (
        "from further_link.keyboard import KeyboardButton",
        "import further_link.keyboard",
        "import importlib; importlib.import_module('further_link.keyboard')",
        "import importlib.util; assert importlib.util.find_spec('further_link.keyboard')",
        "__import__('further_link.keyboard')",
    ):
        status, _, error = run(state, code)
        assert status == 0, error


def test_it_is_run_as_a_module(state):
    status, _, error = run(state, "", "-m", "further_link.keyboard")
    assert status == 0, error
    status, _, error = run(state, "", "-m", "further_link")
    assert status == 1
    assert "'further_link' is a package and cannot be directly executed" in error


def test_reload(state, venv):
    for python in (sys.executable, venv("new")):
        status, out, error = run(
            state,
            """
import importlib, sys
import further_link, further_link.keyboard
before = further_link.KeyboardButton
further_link.mark = 1
for _ in range(3):
    again = importlib.reload(further_link)
    assert again is further_link is sys.modules["further_link"]
    assert again.KeyboardButton is before and again.keyboard is further_link.keyboard
    assert again.mark == 1
    assert "_become_the_package" not in vars(again)
    assert again.__file__ == again.__spec__.origin and "shipped" not in again.__file__
    assert "path" not in again.__file__.split("/")[-3:]
print(again.__file__)
""",
            python=python,
        )
        assert status == 0, error


def test_children_of_multiprocessing(state, tmp_path):
    file = tmp_path / "program.py"
    file.write_text(
        """
import multiprocessing
from further_link import KeyboardButton, widgets

def work(thing):
    return thing.__module__, widgets.__file__

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(*pool.apply(work, (KeyboardButton,)))
"""
    )
    status, out, error = run(state, "", str(file))
    assert status == 0, error
    assert out.split()[0] == "further_link.keyboard"
    assert os.path.join("lib", "further_link") in out


def test_threads_that_import_at_once(state):
    status, out, error = run(
        state,
        """
import sys, threading
sys.setswitchinterval(1e-6)
mistakes = []
barrier = threading.Barrier(16)
def work():
    barrier.wait()
    try:
        import further_link
        assert further_link.__version__ and further_link.KeyboardButton and further_link.plot
        from further_link.widgets import Slider
    except BaseException as error:
        mistakes.append(error)
threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(mistakes)
""",
    )
    assert (status, out) == (0, "[]\n"), error


def test_folder_may_be_on_the_path_often(state, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(state / "path")
    relative = os.path.relpath(str(state / "path"), str(tmp_path))
    for path in (
        str(state / "path"),
        os.pathsep.join([str(state / "path")] * 3),
        str(link),
        relative,
        str(state / "path") + "/",
        str(state / "path" / ".." / "path"),
    ):
        found = report(state, path=path, cwd=tmp_path)
        assert found["version"] == "0.1.0"
        assert os.path.join("lib", "further_link") in found["file"]


def test_folder_of_another_server_is_on_the_path_too(state, tmp_path, venv):
    """A program of one server starts another server, of another version."""
    other = tmp_path / "other" / "python" / "9.9.9"
    shutil.copytree(str(state), str(other))
    (other / "lib" / "further_link" / "_version.py").write_text("__version__ = '9.9.9'\n")
    found = report(state, path=str(other / "path"))
    assert found["version"] == "9.9.9"
    # Neither is the program's own.
    found = report(state, path=str(other / "path"), python=venv("old"))
    assert found["version"] == "5.2.1"


def test_folder_of_that_name_is_no_package(state, tmp_path):
    (tmp_path / "further_link" / "data").mkdir(parents=True)
    assert_shipped(state, report(state, cwd=tmp_path))
    # After the folder of the server as well.
    status, out, error = run(
        state,
        "import sys; sys.path.append(%r); import further_link; print(further_link.__version__)"
        % str(tmp_path),
    )
    assert (status, out) == (0, "0.1.0\n"), error


def test_what_lies_beside_the_program_wins_as_always(state, tmp_path):
    write(tmp_path / "further_link", OLD)
    file = tmp_path / "program.py"
    file.write_text("import further_link; print(further_link.__version__)")
    assert run(state, "", str(file))[1] == "5.2.1\n"


def test_one_further_behind_on_the_path(state, tmp_path):
    write(tmp_path / "a" / "further_link", OLD)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "further_link.py").write_text("__version__ = 'a single file'\n")
    code = "import sys; sys.path.append(%r); import further_link; print(further_link.__version__)"
    assert run(state, code % str(tmp_path / "a"))[1] == "5.2.1\n"
    code += "; print(hasattr(further_link, '__path__'), further_link.__package__ == '')"
    assert run(state, code % str(tmp_path / "b"))[1] == "a single file\nFalse True\n"


def test_one_in_an_archive(state, tmp_path):
    archive = tmp_path / "archive.zip"
    with zipfile.ZipFile(str(archive), "w") as file:
        for name, text in OLD.items():
            file.writestr("further_link/" + name, text)
    status, out, error = run(
        state,
        """
import sys
sys.path.append(%r)
import further_link, further_link.lib.keyboard_button
print(further_link.__version__, further_link.__file__)
assert further_link.KeyboardButton.old
assert type(further_link.__loader__).__name__ == "zipimporter"
import importlib
assert importlib.reload(further_link) is further_link
"""
        % str(archive),
    )
    assert status == 0, error
    assert out == "5.2.1 %s\n" % os.path.join(str(archive), "further_link", "__init__.py")


# In a virtual environment


def wheel(folder, files, version):
    """A wheel of these files."""
    info = "further_link-%s.dist-info/" % version
    contents = {"further_link/" + name: text for name, text in files.items()}
    contents[info + "METADATA"] = (
        "Metadata-Version: 2.1\nName: further-link\nVersion: %s\n" % version
    )
    contents[info + "WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    contents[info + "RECORD"] = "".join("%s,,\n" % name for name in [*contents, info + "RECORD"])
    path = folder / ("further_link-%s-py3-none-any.whl" % version)
    with zipfile.ZipFile(str(path), "w") as file:
        for name, text in contents.items():
            file.writestr(name, text)
    return path


@pytest.fixture(scope="module")
def venv(tmp_path_factory):
    """Virtual environments, by what is installed in them; their Python."""
    folder = tmp_path_factory.mktemp("environments")
    pythons = {}

    def make(kind):
        if kind in pythons:
            return pythons[kind]
        place = folder / kind
        made = subprocess.run(
            [sys.executable, "-m", "venv", str(place)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(),
        )
        if made.returncode:
            pytest.skip("venv: " + made.stdout.decode())
        python = place / "bin" / "python"
        if kind == "new":
            files = {
                file.name: file.read_text(encoding="utf-8")
                for file in (PACKAGE / "further_link").glob("*.py")
            }
            files["_version.py"] = "__version__ = '7.7.7'\n"
            install(python, wheel(folder, files, "7.7.7"))
        elif kind == "old":
            install(python, wheel(folder, OLD, "5.2.1"))
        elif kind == "broken":
            files = dict(OLD, **{"__init__.py": "import aiohttp_that_is_missing\n"})
            install(python, wheel(folder, files, "5.2.2"))
        elif kind == "editable":
            write(folder / "sources" / "further_link", OLD)
            site = next((place / "lib").glob("python*")) / "site-packages"
            write(site, {"editable.pth": "import editable_finder\n", "editable_finder.py": FINDER})
            (site / "editable_folder.txt").write_text(str(folder / "sources"))
        pythons[kind] = python
        return python

    return make


# What `pip install --editable` leaves behind, in short.
FINDER = """
import sys, os
from importlib.util import spec_from_file_location
with open(os.path.join(os.path.dirname(__file__), "editable_folder.txt")) as file:
    folder = file.read()
class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "further_link":
            place = os.path.join(folder, name)
            return spec_from_file_location(
                name, os.path.join(place, "__init__.py"), submodule_search_locations=[place])
sys.meta_path.append(Finder)
"""


def install(python, package):
    result = subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(package)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(PIP_DISABLE_PIP_VERSION_CHECK="1"),
    )
    assert result.returncode == 0, result.stdout.decode()


def test_in_an_empty_virtual_environment(state, venv):
    assert_shipped(state, report(state, python=venv("empty")))


def test_one_that_is_installed_wins(state, venv):
    found = report(state, python=venv("new"))
    assert found["version"] == "7.7.7"
    assert "site-packages" in found["file"]
    assert found["button"] == "further_link.keyboard"


def test_old_one_that_is_installed_wins(state, venv):
    found = report(state, python=venv("old"))
    assert found["version"] == "5.2.1"
    assert "site-packages" in found["file"]
    assert found["button"] == "further_link.lib.keyboard_button"
    status, out, error = run(state, "", "-m", "further_link", python=venv("old"))
    assert (status, out) == (0, "the old server further_link\n"), error


def test_one_that_is_installed_and_broken_says_so(state, venv):
    status, _, error = run(
        state,
        """
try:
    import further_link
except ModuleNotFoundError as error:
    assert error.name == "aiohttp_that_is_missing"
import sys
assert "further_link" not in sys.modules
import further_link
""",
        python=venv("broken"),
    )
    assert status == 1
    assert "No module named 'aiohttp_that_is_missing'" in error
    assert 'further_link/__init__.py", line 1, in <module>' in error


def test_one_that_is_installed_to_be_edited(state, venv):
    found = report(state, python=venv("editable"))
    assert found["version"] == "5.2.1"
    assert "sources" in found["file"]


FIGURE = """
import further_link, matplotlib.pyplot as plt
plt.plot([1])
plt.show()
print(further_link.__version__, type(plt.gcf().canvas).__module__)
"""


@pytest.mark.parametrize("version", ["0.1.0", "5.2.1"])
def test_backend_of_matplotlib(state, tmp_path, version):
    """Also beside an old package: matplotlib was told to use it, and would not work without."""
    pytest.importorskip("matplotlib")
    if version != "0.1.0":
        write(tmp_path / "further_link", OLD)
    variables = environment(
        PYTHONPATH=os.pathsep.join([str(state / "path"), str(tmp_path)]),
        MPLBACKEND="module://further_link.matplotlib",
    )
    out = subprocess.check_output(
        [sys.executable, "-c", FIGURE], env=variables, stderr=subprocess.DEVNULL, cwd=str(state)
    )
    assert out.decode() == version + " further_link._figures\n"


# Other Pythons


def other(name):
    """Another Python, if there is one. (A file of that name may only tell what to install.)"""
    python = shutil.which(name)
    if python and subprocess.run([python, "-c", ""], stderr=subprocess.DEVNULL).returncode == 0:
        return python
    return None


@pytest.mark.parametrize("name", ["python2.7", "python3.4", "python3.5", "python3.6"])
def test_pythons_that_are_too_old(state, tmp_path, name):
    python = other(name)
    if python is None:
        pytest.skip(name + " is not installed")
    # Who does not import it is not concerned.
    status, out, error = run(state, "import json, os; print('fine')", python=python)
    assert (status, out) == (0, "fine\n"), error
    status, _, error = run(state, "import further_link", python=python)
    assert status == 1
    assert "ImportError: further_link needs Python 3.7 or newer" in error
    if name != "python2.7":
        # An old one may be installed there.
        write(tmp_path / "further_link", OLD)
        code = (
            "import sys; sys.path.append(%r); import further_link; print(further_link.__version__)"
        )
        status, out, error = run(state, code % str(tmp_path), python=python)
        assert (status, out) == (0, "5.2.1\n"), error


@pytest.mark.parametrize("minor", range(7, 16))
def test_pythons_that_are_new_enough(state, minor):
    python = other("python3.%d" % minor)
    if python is None:
        pytest.skip("Python 3.%d is not installed" % minor)
    # One that is installed with the system may have a package of its own.
    assert_shipped(state, report(state, python=python))
    status, out, error = run(
        state,
        "from further_link import *; KeyboardButton('a'); plot('a', 1); print(Slider('s').value)",
        python=python,
    )
    assert (status, out) == (0, "0\n"), error
    assert error.count("\n") == 1


def test_python_that_ignores_the_environment_does_not_see_it(state):
    status, _, error = run(state, "import further_link", "-I", "-S")
    assert status == 1
    assert "No module named 'further_link'" in error


def test_nothing_but_the_package_is_in_the_folder(state):
    files = [
        str(file.relative_to(state / "path")) for file in Path(str(state / "path")).rglob("*.py")
    ]
    assert files == [os.path.join("further_link", "__init__.py")]
