import pytest

from server import Server


@pytest.fixture(scope="session")
def server():
    server = Server()
    yield server
    server.stop()
