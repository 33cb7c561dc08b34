#!/bin/bash
# Installs what building, running or testing needs and this machine lacks: on Debian and its
# relatives with apt-get, elsewhere the script prints what is missing.
#
#   scripts/install-deps.sh build   to build the server, with the page if that is there
#   scripts/install-deps.sh run     to build the page too
#   scripts/install-deps.sh test    to run all tests as well
#   scripts/install-deps.sh lint    to build, and what checks the code of all languages
#
# It checks only files and PATH, so that it costs next to nothing when everything is there.
set -euo pipefail

usage() {
    echo "usage: $0 build|run|test|lint" >&2
    exit 2
}

[ $# -eq 1 ] || usage
purpose=$1
case $purpose in build | run | test | lint) ;; *) usage ;; esac

# rustup installs cargo here, which the shell that ran it knows only after a new login.
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin

# Colours on terminals only: https://no-color.org
if [ -t 2 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$'\e[1m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' red='' plain=''
fi

say() { printf '%s\n' "${bold}deps:${plain} $*" >&2; }

fail() {
    printf '%s\n' "${red}deps: $1${plain}" >&2
    shift
    [ $# -eq 0 ] || printf '      %s\n' "$@" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command that may take minutes: prints a line now and then, and its output only if it fails.
quietly() {
    local what=$1 log pid status=0 since=$SECONDS next=10
    shift
    log=$(mktemp)
    say "$what …"
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
        if ((SECONDS - since >= next)); then
            say "  still at it ($((SECONDS - since)) s)"
            next=$((next + 10))
        fi
    done
    wait "$pid" || status=$?
    [ "$status" -eq 0 ] || tail -n 30 "$log" >&2
    rm -f "$log"
    return "$status"
}

have cargo || fail "Rust is missing: there is no cargo on the PATH." \
    "Install it as https://rustup.rs says, then try again."

packages=()
missing=()
# need PACKAGES WHAT CONDITION…: adds the packages to be installed unless the condition holds.
need() {
    local names=$1 what=$2
    shift 2
    "$@" && return
    # shellcheck disable=SC2206 # several packages in one word
    packages+=($names)
    missing+=("$what")
}

# Rust links with cc; the crate `ring` is partly C, and needs the headers of the C library.
c_compiler() { have cc && [ -e /usr/include/stdio.h ]; }
cpp_compiler() { have c++ || have g++; }
# Both are in a package of their own on Debian.
venv() { python3 -c 'import ensurepip, venv' 2>/dev/null; }
browser() { [ -x "${CHROMIUM:-/usr/bin/chromium}" ]; }

need "gcc libc6-dev" "a C compiler" c_compiler
need python3 python3 have python3
if [ "$purpose" != build ]; then
    need nodejs "Node.js (it builds the page)" have node
    need npm "npm (it fetches what builds the page)" have npm
fi
if [ "$purpose" = test ] || [ "$purpose" = lint ]; then
    need python3-venv "virtual environments of Python" venv
fi
if [ "$purpose" = test ]; then
    need g++ "a C++ compiler (fuzz targets)" cpp_compiler
    need procps "ps" have ps
    need chromium "Chromium (browser tests)" browser
    need vim-tiny "vi (browser tests: an editor in a terminal)" have vi
    need htop "htop (browser tests: a screen that is drawn over)" have htop
fi

if [ ${#packages[@]} -gt 0 ]; then
    list=$(printf '%s, ' "${missing[@]}")
    have apt-get || fail "missing: ${list%, }" "Install it with this system's package manager, then try again."
    install="apt-get install -y --no-install-recommends ${packages[*]}"
    if [ "$(id -u)" -eq 0 ]; then
        as_root=(env)
    elif have sudo && sudo -n true 2>/dev/null; then
        as_root=(sudo -n env)
    else
        fail "missing: ${list%, }" "Run this as root, then try again:" "apt-get update && $install"
    fi
    say "missing: ${list%, }"
    # Waits for the lock: a fresh machine often updates itself at the same time.
    apt=("${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3)
    quietly "updating the package lists" "${apt[@]}" update ||
        fail "the package lists could not be updated (see above)."
    quietly "installing ${packages[*]}" "${apt[@]}" install -y --no-install-recommends "${packages[@]}" ||
        fail "the packages could not be installed (see above)." "The command was: $install"
fi

if [ "$purpose" != build ]; then
    # The wrapper of a version manager may exist without any version behind it.
    version=$(node --version 2>/dev/null) || fail "There is a node on the PATH, but it does not run." \
        "Install Node.js 18 or newer: https://nodejs.org/en/download"
    major=${version#v}
    major=${major%%.*}
    if ! [[ $major =~ ^[0-9]+$ ]] || [ "$major" -lt 18 ]; then
        fail "Node.js $version is too old to build the page: 18 or newer is needed." \
            "Install a newer one (https://nodejs.org/en/download), or let \"cargo build --release\" build the server without its page."
    fi
fi

if [ "$purpose" = lint ]; then
    for component in rustfmt clippy; do
        tool=cargo-${component/rustfmt/fmt}
        # rustup has a proxy of that name even if the component is missing: only running it tells.
        if ! "$tool" --version >/dev/null 2>&1; then
            have rustup || fail "$component is missing, and there is no rustup to install it with."
            quietly "installing $component" rustup component add "$component" ||
                fail "$component could not be installed (see above)."
        fi
    done
fi
