"""Benchmarks: several packages run the same operations, in turns, on one machine.

`python -m bench.compare` runs all of them; `bench.cases` defines what is measured.
"""
