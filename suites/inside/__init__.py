"""What runs inside the environments of the suites, where nothing else of this project is."""
