"""Run test suites of released packages that use zarr, with the released zarr and with this package.

`python -m suites` runs all of them. `packages.toml` lists the packages and the known differences.
"""
