#!/bin/sh
# Builds the fuzz targets with stable Rust, without cargo-fuzz, and runs each of them for the given
# number of seconds (default 10), starting from the messages of the golden files. Fails if a target
# fails; the input that made it fail is then in fuzz/artifacts/.
#
# Needs a C++ compiler (for libFuzzer, which libfuzzer-sys brings along) and python3 (to unpack the
# golden files). Usage: fuzz/run.sh [seconds] [target...]
set -eu

cd "$(dirname "$0")"
seconds=${1:-10}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- run_decode run_py_decode exec_decode stream_decode channel_decode upload_decode terminal_decode utf8

# With an explicit --target the flags do not reach build scripts, which have no main function of
# libFuzzer.
host=$(rustc -vV | sed -n 's/^host: //p')
target_dir=${CARGO_TARGET_DIR:-$PWD/target}

flags='--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1'
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags="$flags -Cllvm-args=-sanitizer-coverage-$option"
done
RUSTFLAGS="${RUSTFLAGS:-} $flags" cargo build --release --bins --target "$host" --target-dir "$target_dir"

python3 - <<'PYTHON'
import hashlib, json, pathlib

def seed(target, content):
    folder = pathlib.Path("corpus", target)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(content).hexdigest()).write_bytes(content)

for dialect, target in [("run", "run_decode"), ("run-py", "run_py_decode"), ("exec", "exec_decode"), ("upload", "upload_decode"), ("terminal", "terminal_decode")]:
    for case in json.loads(pathlib.Path("../tests/golden", dialect, "from-client.json").read_text()):
        if "messageHex" in case:
            message = bytes.fromhex(case["messageHex"])
        else:
            message = case["message"].encode()
        seed(target, message)
        # The number of pieces, and how long each of them is.
        seed("utf8", bytes([4, 3, 1, 2, 7]) + message)

for case in json.loads(pathlib.Path("../tests/golden/further-link.3/frames.json").read_text()):
    seed("stream_decode", bytes.fromhex(case["frameHex"]))

# The socket (0 to 2) and the number of pieces (3 for each), and how long each of them is.
def seed_channel(socket, content):
    seed("channel_decode", bytes([socket]) + content)
    seed("channel_decode", bytes([socket + 4 * 3, 3, 1, 2, 7]) + content)

def golden(file):
    return json.loads(pathlib.Path("../tests/golden/channel", file).read_text())

everything = b""
for case in golden("from-program.json"):
    payload = bytes.fromhex(case["payloadHex"]) if "payloadHex" in case else case["payload"].encode()
    message = bytes.fromhex(case["headHex"]) + payload
    seed_channel(0, message)
    if len(message) < 100:
        everything += message
seed_channel(0, everything)
for case in golden("old.json"):
    content = bytes.fromhex(case["bytesHex"]) if "bytesHex" in case else case["bytes"].encode()
    seed_channel({"video": 1, "keylisten": 2}[case["socket"]], content)
PYTHON

failed=
for target in "$@"; do
    echo "== $target, $seconds s"
    mkdir -p "corpus/$target" "artifacts/$target"
    # Long enough for the deeply nested cases; messages of the wire are longer, but not more varied.
    set -- -max_total_time="$seconds" -max_len=8192 -timeout=5 -rss_limit_mb=1024 -print_final_stats=1
    case $target in run_decode | run_py_decode | exec_decode | upload_decode | terminal_decode | channel_decode) set -- "$@" -dict=json.dict ;; esac
    "$target_dir/$host/release/$target" "$@" -artifact_prefix="artifacts/$target/" "corpus/$target" ||
        failed="$failed $target"
done
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
