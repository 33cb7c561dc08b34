"""The real server, started as a user would start it, on a port of the system's choice."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

from document import ROOT

# Seconds that a test waits for anything. Far more than is ever needed on a busy machine.
DEADLINE = 30


def binary():
    named = os.environ.get("FURTHER_LINK_BINARY")
    return (
        Path(named)
        if named
        else ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug/further-link"
    )


class Server:
    def __init__(self, *settings, wrapper=()):
        """With settings such as `limits.jobs=3`. A wrapper starts it with the command that it is
        given."""
        self.folder = Path(tempfile.mkdtemp(prefix="further-link-asyncapi-"))
        # A server started as root gives its rights up, and has to get in here all the same.
        self.folder.chmod(0o755)
        for name in ("home", "work", "temp", "state"):
            (self.folder / name).mkdir()
        (self.folder / "temp").chmod(0o1777)
        command = [
            *wrapper,
            binary(),
            "serve",
            "--port",
            "0",
            "--set",
            f'state.dir="{self.folder}/state"',
        ]
        for setting in settings:
            command += ["--set", setting]
        self._process = subprocess.Popen(
            command,
            cwd=self.folder,
            # Nothing of the environment of whoever runs the tests.
            env={
                "PATH": os.environ["PATH"],
                "LANG": "C.UTF-8",
                "HOME": str(self.folder / "home"),
                "FURTHER_LINK_WORK_DIR": str(self.work),
                "FURTHER_LINK_TEMP_DIR": str(self.folder / "temp"),
                "FURTHER_LINK_SKIP_BLUETOOTH": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._log = []
        self._port = None
        self._named = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._named.wait(DEADLINE) or self._port is None:
            self._end(signal.SIGKILL)
            raise RuntimeError(f"the server named no address\n{self.log()}")

    @property
    def port(self):
        return self._port

    @property
    def work(self):
        return self.folder / "work"

    def log(self):
        return "".join(self._log)

    def _read(self):
        # To the end, or else a server that logs much would wait for us.
        for line in self._process.stderr:
            self._log.append(line)
            match = re.search(r"open https?://\S*?:([0-9]+)\b", line)
            if match and self._port is None:
                self._port = int(match[1])
                self._named.set()
        self._named.set()

    def _end(self, how):
        self._process.send_signal(how)
        try:
            return self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._reader.join(DEADLINE)
            self._process.stderr.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self):
        """As on Ctrl-C. A server that does not end is an error."""
        status = self._end(signal.SIGINT)
        assert status == 0, f"the server ended with {status}\n{self.log()}"
