"""Tagging whole corpora: records are read from files, tagged in shards, and written as they came.

`sources` reads, `tagging` tags, `outputs` writes, `job` is what is done with a folder, and what of
it is there already, and `engines` do it.
"""
