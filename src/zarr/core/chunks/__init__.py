"""Conversion between stored chunks and array elements.

`_read` reads chunks and `_write` writes them. A source supplies the encoded chunks in batches. An
executor decides in which threads the codecs run.
"""
