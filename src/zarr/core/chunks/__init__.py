"""From stored chunks to the elements of an array, and back.

One coroutine reads chunks (`_read`) and one writes them (`_write`), over a source, which answers
requests in batches, and an executor, which says where codecs run.
"""
