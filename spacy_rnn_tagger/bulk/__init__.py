"""Tagging whole corpora: records are read from files, tagged in shards, and written as they came.

`sources` reads, `tagging` tags, and `outputs` writes, all of them by `storage`. A `job` says what
to do and what is done already, by what `identity` knows of the pipeline; `engines` do it, and
`annotating` does a job from its beginning to its end.
"""
