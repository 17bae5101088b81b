"""The test suites of released packages that use zarr, run with the released zarr and with this one.

`python -m suites` runs all of them. `packages.toml` lists the packages and the known differences.
"""
