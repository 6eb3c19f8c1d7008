"""Tagging whole corpora: records are read from files, tagged in shards, and written in order.

`annotating` contains the public function. `sources` finds files and divides their records into
shards, `tagging` tags them, and `outputs` writes them in one of the `formats`. A `job` describes
what to do and what is done already, based on the facts that `identity` collects about the pipeline;
`engines` run it.
"""
