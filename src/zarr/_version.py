"""Version of this distribution."""

from __future__ import annotations

__version__ = "3.4.2+getmany.1"
