"""Operations on the stored metadata of whole hierarchies."""
