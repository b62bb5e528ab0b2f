"""Whether an application is used by a test, which must neither read nor write what the project serves."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Scope


def is_test(scope: Scope | None) -> bool:
    """Whether a request or lifespan comes from a test: of Starlette's test client, or from a test's own process.

    Args:
        scope: the ASGI scope; None where the application's code starts it.
    """
    # ASGI demands of each server that it tells the protocol's version; the test client doesn't.
    return (scope is not None and "asgi" not in scope) or _runs_tests()


def _runs_tests() -> bool:
    """Whether this process is pytest's or unittest's own. What a test starts inherits the variable, not the module."""
    if "pytest" in sys.modules and "PYTEST_CURRENT_TEST" in os.environ:
        return True
    main = sys.modules.get("__main__")
    return getattr(main, "__package__", None) == "unittest"
