"""Conversion between stored chunks and array elements.

`_read` reads chunks and `_write` writes them. Both work over a source, which answers requests in
batches, and an executor, which decides where codecs run.
"""
