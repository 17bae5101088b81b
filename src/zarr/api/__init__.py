"""Top-level functions of the package, asynchronous and synchronous."""
