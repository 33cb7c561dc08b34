import pytest

from server import Server


@pytest.fixture(scope="session")
def server():
    # The site that an upload takes a file from is on this device.
    server = Server("download.private_addresses=true")
    yield server
    server.stop()
