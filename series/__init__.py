"""Checks of the two commits that add bulk reads: see docs/series.md."""
