from collections.abc import Iterator

import pytest
from millpond.testing import TestClient

from main import app


@pytest.fixture
def client() -> Iterator[TestClient]:
    """A client with a cache and a clock of its own. No test touches the build, or what is stored beside it."""
    with TestClient(app) as client:
        yield client
