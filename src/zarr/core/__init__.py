"""The implementation behind the public modules."""
