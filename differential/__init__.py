"""Run operations with the released zarr and with this checkout, and compare the results."""
