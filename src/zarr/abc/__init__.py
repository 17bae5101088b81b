"""Abstract base classes and protocols of stores, codecs, buffers and metadata."""
