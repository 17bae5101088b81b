"""Running the same operations with the released zarr and with this one, and comparing results."""
