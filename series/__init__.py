"""Checks of the two commits that bring bulk reads: see docs/series.md."""
