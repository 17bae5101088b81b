"""Benchmarks: the same work done by several packages, in turns, on one machine.

`python -m bench.compare` runs them all; see `bench.cases` for what is measured.
"""
