"""Version of this distribution, used if its metadata are not installed."""

from __future__ import annotations

__version__ = "3.4.2+getmany.1"
