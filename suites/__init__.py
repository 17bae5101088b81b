"""The test suites of released packages that use zarr, run with the released zarr and with this one.

`python -m suites` runs them all; `packages.toml` says which, and what is known to differ.
"""
