# further-link: the way to the package. (Copies of this file know each other by this line.)
"""The package `further_link` of a program, or else the one that the server has brought.

The folder above is on PYTHONPATH, which comes before what is installed. So this file looks whether
the program's own environment has a `further_link`, and becomes that one; if not, it becomes the one
in `../../lib`. Nothing of this file is left then: `__file__` and `__spec__` are those of the real
package. So is `__path__`, but what an older package lacks is found behind it in `../../lib`:
matplotlib was told to use `further_link.matplotlib`, whoever brings it.

The syntax is that of every Python there is, for the sake of a proper message.
"""


def _become_the_package():
    import io
    import os
    import sys

    if sys.version_info < (3, 4):
        raise ImportError("further_link needs Python 3.7 or newer")

    import importlib.machinery
    import importlib.util

    name = __name__
    module = sys.modules[name]
    first_line = b"# further-link: the way to the package."
    here = os.path.dirname(os.path.realpath(__file__))

    def leads_here(spec):
        # Its own folder may be on the path twice, and that of another server too, if a program that
        # this server runs starts that one.
        if spec.origin is None or os.path.basename(spec.origin) != "__init__.py":
            return False
        try:
            with io.open(spec.origin, "rb") as file:
                return file.read(len(first_line)) == first_line
        except (IOError, OSError):
            # In an archive.
            return False

    def of_the_program():
        for finder in list(sys.meta_path):
            if not hasattr(finder, "find_spec"):
                continue
            if finder is importlib.machinery.PathFinder:
                # One by one: this file would hide those behind it.
                for entry in list(sys.path):
                    spec = finder.find_spec(name, [entry])
                    # A folder that happens to have this name is no package.
                    if spec is not None and spec.has_location and not leads_here(spec):
                        return spec
            else:
                # Such as that of `pip install --editable`.
                spec = finder.find_spec(name, None)
                if spec is not None and spec.has_location and not leads_here(spec):
                    return spec
        return None

    folder = os.path.join(os.path.dirname(os.path.dirname(here)), "lib", name)

    def of_the_server():
        if sys.version_info < (3, 7):
            raise ImportError("further_link needs Python 3.7 or newer")
        return importlib.util.spec_from_file_location(
            name, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
        )

    spec = of_the_program() or of_the_server()
    loader = spec.loader
    # Not more: if the module is reloaded, then all that was there has to stay.
    for attribute in ("_become_the_package", "__path__", "__cached__"):
        vars(module).pop(attribute, None)
    module.__doc__ = None
    module.__file__ = spec.origin
    module.__loader__ = loader
    module.__package__ = spec.parent
    module.__spec__ = spec
    if spec.submodule_search_locations is not None:
        folders = list(spec.submodule_search_locations)
        if not any(os.path.exists(os.path.join(one, "matplotlib.py")) for one in folders):
            folders.append(folder)
        module.__path__ = folders
    if spec.cached is not None:
        module.__cached__ = spec.cached
    # As the import system does it: other threads that import the package wait until it is whole.
    spec._initializing = True
    try:
        if hasattr(loader, "exec_module"):
            loader.exec_module(module)
        else:
            # zipimport before Python 3.10.
            exec(loader.get_code(name), vars(module))
    finally:
        spec._initializing = False


_become_the_package()
