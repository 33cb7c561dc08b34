"""Programs that are run as the server runs them, and this process as such a program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from fake_server import ALL_FEATURES, PATIENCE, FakeServer, wait_until

PACKAGE = Path(__file__).resolve().parent.parent

# A shell without job control lets what it starts in the background ignore Ctrl-C, and a program
# here would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Program:
    """A program that runs, and whose output is read as it comes."""

    def __init__(self, arguments: list[str], environment: dict[str, str], folder: Path) -> None:
        self.process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=str(folder),
        )
        self._out = bytearray()
        self._err = bytearray()
        self._readers = [
            threading.Thread(target=self._read, args=arguments, daemon=True)
            for arguments in (
                (self.process.stdout, self._out),
                (self.process.stderr, self._err),
            )
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(pipe: Any, data: bytearray) -> None:
        while True:
            more = os.read(pipe.fileno(), 65536)
            if not more:
                return
            data += more

    @property
    def out(self) -> str:
        return self._out.decode()

    @property
    def err(self) -> str:
        return self._err.decode()

    def wait_for(self, text: str) -> None:
        """Wait until the program has printed this."""
        wait_until(
            # At the end of its output nobody is left who could print it.
            lambda: text in self.out or not self._readers[0].is_alive(),
            "the program prints %r, and not only %r, %r" % (text, self.out, self.err),
        )
        assert text in self.out, self.err

    def line(self, text: str = "") -> None:
        """Give the program a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Wait until it has ended; its exit status."""
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                "the program does not end\n%s\n%s" % (self.out, self.err)
            ) from None
        for reader in self._readers:
            reader.join(PATIENCE)
        return status

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def forget(self) -> None:
        if self.process.poll() is None:
            self.kill()
        for reader in self._readers:
            reader.join(PATIENCE)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    pass


def environment(server: FakeServer | None = None, **more: str) -> dict[str, str]:
    """What a program finds."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FURTHER_LINK", "PYTHON", "MPL", "COV"))
    }
    variables["PYTHONPATH"] = str(PACKAGE)
    variables["PYTHONDONTWRITEBYTECODE"] = "1"
    # From Python 3.12 on, for each fork of a process that has threads.
    variables["PYTHONWARNINGS"] = "ignore:This process:DeprecationWarning"
    if server is not None:
        variables["FURTHER_LINK_CHANNEL"] = server.path
    variables.update(more)
    return variables


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A server that takes everything; it must have had nothing to complain about."""
    server = FakeServer()
    yield server
    server.close()
    assert server.complaints == []


@pytest.fixture
def make_server() -> Iterator[Callable[..., FakeServer]]:
    """Servers of a special kind."""
    servers = []

    def make(features: tuple[str, ...] = ALL_FEATURES, **options: Any) -> FakeServer:
        servers.append(FakeServer(features, **options))
        return servers[-1]

    yield make
    for server in servers:
        server.close()
        assert server.complaints == []


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Runs the text of a program, as the server does it."""
    programs = []

    def start(code: str, server: FakeServer | None = None, **variables: str) -> Program:
        file = tmp_path / ("program-%d.py" % len(programs))
        file.write_text(textwrap.dedent(code), encoding="utf-8")
        programs.append(
            Program([sys.executable, "-u", str(file)], environment(server, **variables), tmp_path)
        )
        return programs[-1]

    yield start
    for program in programs:
        program.forget()


@pytest.fixture
def linked(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """This process as a program of the server."""
    from further_link import _callbacks, _connection, _outbox, _widget, plots

    monkeypatch.setenv("FURTHER_LINK_CHANNEL", server.path)
    _connection._warned.clear()
    plots._plots.clear()
    _widget._widgets.clear()
    # The state of a child after a fork, which has nothing of its parent.
    _connection._after_fork()
    yield server
    _outbox.flush()
    threads = [
        _connection._current._reader,
        _outbox._outbox._thread,
        _callbacks._callbacks._thread,
    ]
    server.close()
    if threads[0] is not None:
        threads[0].join(PATIENCE)
    _connection._after_fork()
    _connection._warned.clear()


@pytest.fixture(scope="session")
def configuration(tmp_path_factory):
    """A folder for matplotlib, so that a person's own settings have no say here."""
    return tmp_path_factory.mktemp("matplotlib")


@pytest.fixture
def draw(run, configuration):
    """Runs a program that uses matplotlib, as the server does it."""

    def start(code, server=None, **variables):
        variables = {"MPLCONFIGDIR": str(configuration), **variables}
        variables.setdefault("MPLBACKEND", "module://further_link.matplotlib")
        return run(code, server, **variables)

    return start
