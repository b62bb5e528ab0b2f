"""What watches the shop. `register` is called while the application is made, before the route files are imported."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millpond import Millpond


def register(app: Millpond) -> None:
    """With SHOP_SQL=1 log each statement that the database is asked. A tracer or Sentry would be started here, too."""
    if os.environ.get("SHOP_SQL") == "1":
        logging.getLogger("sqlalchemy.engine").setLevel(logging.INFO)
        logging.getLogger(__name__).warning("%s logs its statements, with the values in them", app.title)
