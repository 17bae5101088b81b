"""The same operations, run by the released zarr and by this one, and what differs."""
