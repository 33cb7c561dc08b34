#!/bin/bash
# Makes ttyd available without installing anything: unpacks Debian's package and the libraries that
# it needs into a folder of its own, and prints the path of a program that runs it.
#
#   bench/fetch-ttyd.sh
#
# A ttyd that is installed is taken as it is. Else the package comes from Debian's unstable branch,
# as older branches do not have it, from the mirror that apt uses on this machine. apt does it, with
# lists and a cache of its own and with Debian's keys, so what is unpacked is what Debian has
# signed.
set -euo pipefail

if command -v ttyd; then
    exit 0
fi

fail() {
    echo "$1" >&2
    exit 1
}

cache=${XDG_CACHE_HOME:-$HOME/.cache}/further-link-bench/ttyd
program=$cache/ttyd
if [ -x "$program" ]; then
    echo "$program"
    exit 0
fi

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
for tool in apt-get apt-config dpkg dpkg-deb; do
    command -v "$tool" >/dev/null || fail "ttyd is not installed, and without $tool it cannot be fetched"
done
[ -r "$keyring" ] || fail "ttyd is not installed, and $keyring, which Debian's packages are checked with, is missing"
case $(dpkg --print-architecture) in
amd64) triplet=x86_64-linux-gnu loader=ld-linux-x86-64.so.2 ;;
arm64) triplet=aarch64-linux-gnu loader=ld-linux-aarch64.so.1 ;;
*) fail "ttyd is not installed, and this script knows amd64 and arm64 only" ;;
esac

# The first mirror of this machine that has a branch of Debian itself (not its security updates).
# shellcheck disable=SC2016 # the words are apt's, not the shell's
mirror=$(apt-get indextargets --format '$(SITE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk '$2 ~ /\/debian\/?$/ { print $2; exit }')
[ -n "$mirror" ] || fail "ttyd is not installed, and apt knows no mirror of Debian"

rm -rf "$cache"
mkdir -p "$cache"/apt/{lists/partial,archives/partial,etc} "$cache/root" "$cache/plugin"
: >"$cache/apt/status"
echo "deb [signed-by=$keyring] $mirror sid main" >"$cache/apt/etc/sources.list"
apt=(
    apt-get -qq
    -o "Dir::State=$cache/apt" -o "Dir::State::lists=$cache/apt/lists" -o "Dir::State::status=$cache/apt/status"
    -o "Dir::Cache=$cache/apt" -o "Dir::Cache::archives=$cache/apt/archives"
    -o "Dir::Etc::sourcelist=$cache/apt/etc/sources.list" -o "Dir::Etc::sourceparts=/dev/null"
    -o "Dir::Etc::preferences=/dev/null" -o "Dir::Etc::preferencesparts=/dev/null"
    -o "APT::Sandbox::User=$(id -un)" -o "APT::Install-Recommends=false"
    -o "Acquire::Languages=none" -o "Debug::NoLocking=true"
)
echo "fetching ttyd and its libraries …" >&2
"${apt[@]}" update >&2 || fail "ttyd is not installed, and the mirror of Debian does not answer"
# With an empty list of what is installed, apt downloads everything that ttyd needs, libc too.
"${apt[@]}" --download-only --yes install ttyd >&2 || fail "ttyd is not installed, and its package cannot be fetched"

for package in "$cache"/apt/archives/*.deb; do
    dpkg-deb -x "$package" "$cache/root"
done
rm -rf "$cache/apt"

# libwebsockets looks for the plugin with its event loop where LD_LIBRARY_PATH says. What ttyd
# starts inherits that variable, so it names a folder in which there is nothing but this plugin.
cp "$cache/root/usr/lib/$triplet"/libwebsockets-evlib_uv.so "$cache/plugin/"
cat >"$program.new" <<END
#!/bin/sh
LD_LIBRARY_PATH='$cache/plugin'
export LD_LIBRARY_PATH
exec '$cache/root/usr/lib/$triplet/$loader' --library-path '$cache/root/usr/lib/$triplet' '$cache/root/usr/bin/ttyd' "\$@"
END
chmod +x "$program.new"
"$program.new" --version >/dev/null || fail "ttyd was fetched, but does not run here"
mv "$program.new" "$program"
echo "$program"
