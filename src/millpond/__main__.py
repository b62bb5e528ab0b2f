"""python -m millpond"""

from __future__ import annotations

from millpond.cli import main

main()
