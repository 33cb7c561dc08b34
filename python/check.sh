#!/bin/bash
# All checks of the Python package. PYTHON is an interpreter for which requirements-test.txt is
# installed; further arguments go to pytest.
set -euo pipefail

cd "$(dirname "$0")"
PYTHON=${PYTHON:-python3}
case $PYTHON in
    */*) PYTHON=$(cd "$(dirname "$PYTHON")" && pwd)/$(basename "$PYTHON") ;;
esac

# Nothing is left in the folder: neither compiled files nor caches.
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
export PYTHONDONTWRITEBYTECODE=1
export RUFF_CACHE_DIR=$temporary/ruff

step() {
    printf '== %s\n' "$1"
}

step "ruff"
"$PYTHON" -m ruff check .
"$PYTHON" -m ruff format --check .

step "mypy"
"$PYTHON" -m mypy --strict --cache-dir "$temporary/mypy" further_link

step "vermin: Python 3.7"
# It has no `python -m`.
"$PYTHON" -c 'from vermin import main; main()' --quiet --no-tips --violations -t=3.7- further_link shipped

step "pytest"
"$PYTHON" -m pytest -p no:cacheprovider "$@"

step "wheel"
"$PYTHON" -m build --wheel --no-isolation --outdir "$temporary/dist" . >"$temporary/build.log" 2>&1 || {
    cat "$temporary/build.log"
    exit 1
}
wheels=("$temporary"/dist/*.whl)
"$PYTHON" -m zipfile -e "${wheels[0]}" "$temporary/installed"
(
    cd "$temporary"
    PYTHONPATH=$temporary/installed "$PYTHON" - <<'END'
import os
import further_link
from further_link import *

assert further_link.__file__.startswith(os.environ["PYTHONPATH"]), further_link.__file__
folder = os.path.dirname(further_link.__file__)
files = set(os.listdir(folder))
assert {"py.typed", "matplotlib.py", "widgets.py"} <= files, files
info = "further_link-%s.dist-info" % further_link.__version__
assert sorted(os.listdir(os.environ["PYTHONPATH"])) == ["further_link", info]
assert os.path.exists(os.path.join(os.environ["PYTHONPATH"], info, "licenses", "LICENSE"))
print("further_link", further_link.__version__)
END
)
