"""What a deployment says about itself."""

import os
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StacSettings:
    database: str = field(default_factory=lambda: os.environ.get("STAC_DATABASE", "sqlite:///stac.db"))
    api_key: str = field(default_factory=lambda: os.environ.get("STAC_KEY", "not-for-production"))
    public_url: str = field(default_factory=lambda: os.environ.get("STAC_URL", "http://testserver"))
    """Where clients find the API: links in answers are absolute."""
    title: str = "Rivers"
    description: str = "Gauges and pictures of rivers"
