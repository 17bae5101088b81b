"""Code that runs inside the environments of the suites, without the rest of this project."""
