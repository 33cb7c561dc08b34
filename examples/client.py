"""Runs a Python file on the device: its output comes here, and what you type goes there.

Install the package `websockets` first (pip install websockets), then:

    python3 examples/client.py examples/first.py [ws://127.0.0.1:8028]
"""

import json
import sys
import threading

from websockets.sync.client import connect


def send(socket, kind, **data):
    # "1" is our name for the program; one connection may carry several.
    socket.send(json.dumps({"type": kind, "process": "1", "data": data}))


def forward_input(socket):
    for line in sys.stdin:
        send(socket, "stdin", input=line)


def run(code, url):
    with connect(f"{url}/run") as socket:
        send(socket, "start", runner="python3", code=code)
        for text in socket:
            message = json.loads(text)
            kind, data = message["type"], message["data"]
            if kind == "started":
                threading.Thread(target=forward_input, args=[socket], daemon=True).start()
            elif kind in ("stdout", "stderr"):
                print(data["output"], end="", flush=True, file=getattr(sys, kind))
            elif kind == "error":
                print(data["message"], data.get("detail", ""), file=sys.stderr)
                return 1
            elif kind == "stopped":
                # A negative number is the signal that ended the program.
                status = data["exitCode"]
                return status if status >= 0 else 128 - status


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        program = file.read()
    sys.exit(run(program, sys.argv[2] if len(sys.argv) == 3 else "ws://127.0.0.1:8028"))
