"""Working on stored metadata as a whole."""
