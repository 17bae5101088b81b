"""Operations on stored metadata as a whole."""
