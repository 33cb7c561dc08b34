"""The package as a whole."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PACKAGE, environment

import further_link


def test_version_is_that_of_the_server():
    cargo = PACKAGE.parent / "Cargo.toml"
    if not cargo.exists():
        pytest.skip("this is not a checkout of the whole")
    version = re.search(r'^version = "(.*)"', cargo.read_text(), re.MULTILINE)
    assert version is not None
    assert further_link.__version__ == version.group(1)


def test_what_old_programs_import():
    code = "from further_link import KeyboardButton, send_image, __version__; print(__version__)"
    out = subprocess.check_output([sys.executable, "-c", code], env=environment())
    assert out.decode().strip() == further_link.__version__


def test_public_names():
    assert further_link.__all__ == sorted(further_link.__all__)
    for name in further_link.__all__:
        assert getattr(further_link, name) is getattr(further_link, name)
        if name != "__version__":
            assert getattr(further_link, name).__doc__
            assert getattr(further_link, name).__module__.startswith("further_link.")
    assert set(further_link.__all__) <= set(dir(further_link))
    with pytest.raises(AttributeError, match="module 'further_link' has no attribute 'nothing'"):
        further_link.nothing  # noqa: B018
    assert not hasattr(further_link, "Keyboardbutton")


def test_everything_public_is_explained():
    from further_link import keyboard, plots, video, widgets

    for module in (keyboard, plots, video, widgets):
        assert module.__doc__
        for name, thing in vars(module).items():
            if name.startswith("_") or getattr(thing, "__module__", "") != module.__name__:
                continue
            assert thing.__doc__, name
            if isinstance(thing, type):
                for attribute, value in vars(thing).items():
                    if not attribute.startswith("_"):
                        assert value.__doc__, "%s.%s" % (name, attribute)


def loaded(code):
    """The modules that this loads beyond those of an empty program."""
    code = "import sys; before = set(sys.modules); %s; print(*set(sys.modules) - before)" % code
    out = subprocess.check_output([sys.executable, "-c", code], env=environment(), stderr=-3)
    return set(out.decode().split())


def test_importing_it_loads_next_to_nothing():
    assert loaded("import further_link") == {"further_link", "further_link._version"}


def test_using_it_loads_nothing_large():
    code = (
        "from further_link import *; KeyboardButton('a').when_pressed = print; plot('a', 1);"
        "Slider('a'); send_image(b'\\xff\\xd8\\xff')"
    )
    roots = {name.split(".")[0] for name in loaded(code)}
    assert not roots & {
        "numpy",
        "PIL",
        "cv2",
        "matplotlib",
        "typing",
        "logging",
        "multiprocessing",
        "asyncio",
        "subprocess",
        "ssl",
    }


def test_it_is_imported_in_a_moment():
    """Less than 15 ms, in the quickest of several attempts: the machine may have more to do."""
    times = []
    for _ in range(15):
        result = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", "import further_link"],
            stderr=subprocess.PIPE,
            env=environment(),
        )
        line = re.search(r"\| +(\d+) \| further_link$", result.stderr.decode(), re.MULTILINE)
        assert line is not None
        times.append(int(line.group(1)))
        if times[-1] < 15000:
            return
    raise AssertionError("it takes %s microseconds" % times)


def test_python_3_7_does_not_take_a_global_that_has_a_type():
    """Newer ones do, so it would not be noticed."""
    for file in (PACKAGE / "further_link").glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        typed = {
            line.target.id
            for line in tree.body
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
        }
        changed = {
            name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names
        }
        assert not typed & changed, file


def test_files_are_of_a_size_that_can_be_read():
    for file in (PACKAGE / "further_link").glob("*.py"):
        assert len(file.read_text(encoding="utf-8").splitlines()) < 400, file


def test_it_says_that_it_is_typed():
    assert (Path(further_link.__file__).parent / "py.typed").exists()


def test_examples_of_the_readme_run(run, server):
    text = (PACKAGE / "README.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(examples) >= 4
    for example in examples:
        compile(example, "README.md", "exec")
