"""Contracts that stores, codecs, buffers and metadata of others implement."""
