#!/bin/bash
# Checks that each override of .config/nextest.toml still matches a test: a module that is renamed
# would silently lose its group.
set -euo pipefail
cd "$(dirname "$0")/.."

modules=$(find crates/further-link/tests/integration -name '*.rs' |
    sed -E 's|^crates/further-link/tests/integration/||; s|(/mod)?\.rs$||; s|/|::|g')
status=0
for name in $(grep -oE '\^\(?[a-z_:|]+' .config/nextest.toml | tr -d '^(' | tr '|' ' '); do
    name=${name%::}
    if ! grep -qE "^$name(::|\$)" <<<"$modules"; then
        echo "test groups: .config/nextest.toml names the module $name, which does not exist" >&2
        status=1
    fi
done
exit "$status"
