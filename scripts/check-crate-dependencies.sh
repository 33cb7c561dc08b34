#!/bin/bash
# Checks the layering of the crates: fails if one of them depends on a layer above it, or if the
# protocol crate depends on the operating system.
#
#   protocol ← engine ← server ← further-link
#
#   scripts/check-crate-dependencies.sh [DIR]     DIR: the workspace (default: this one)
set -euo pipefail

cd "${1:-$(dirname "$0")/..}"
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin

# `--no-deps` reads the manifests of the workspace alone: this needs neither a network nor a lock
# file.
metadata=$(cargo metadata --format-version 1 --no-deps --offline)

python3 -c '
import json, sys

P, E, S, BINARY = "further-link-protocol", "further-link-engine", "further-link-server", "further-link"
# Measures the program from outside, so it may know no more of it than a client could.
BENCH = "further-link-bench"
# Starts the program and speaks to it for tests; its frames are written from the specification, so
# that a mistake of the code of the server is seen. It knows none of the other crates.
TESTKIT = "further-link-testkit"

# The crates of the workspace that each may depend on. A new crate has to be added here.
ALLOWED = {P: set(), E: {P}, S: {P, E}, BINARY: {P, E, S}, BENCH: {P, TESTKIT}, TESTKIT: set()}
# The protocol turns bytes into types and back; it must work where there is no runtime and no Unix.
FORBIDDEN = {P: {"tokio", "nix"}}

packages = json.load(sys.stdin)["packages"]
ours = {p["name"] for p in packages}
wrong = []
for package in packages:
    name = package["name"]
    if name not in ALLOWED:
        wrong.append(f"{name}: not listed in scripts/check-crate-dependencies.sh")
        continue
    for dependency in package["dependencies"]:
        # Tests may use what they like: it is never part of the program.
        if dependency["kind"] == "dev":
            continue
        target = dependency["name"]
        if target in ours - ALLOWED[name] or target in FORBIDDEN.get(name, ()):
            wrong.append(f"{name} must not depend on {target}")
wrong += [f"{name}: no such crate; is the list in this script out of date?" for name in ALLOWED.keys() - ours]
for line in sorted(wrong):
    print(f"crate dependencies: {line}", file=sys.stderr)
if wrong:
    sys.exit(1)
print(f"crate dependencies: {len(ours)} crates, layered as they should be")
' <<<"$metadata"
