"""What the environment says."""

import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    database: Path = field(default_factory=lambda: Path(os.environ.get("CONDUIT_DATABASE", "conduit.db")))
    secret: str = field(default_factory=lambda: os.environ.get("CONDUIT_SECRET", "not-for-production"))
    prefix: str = "/api"
    connections: int = 2
