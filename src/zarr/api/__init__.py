"""The functions of the package, asynchronous and synchronous."""
