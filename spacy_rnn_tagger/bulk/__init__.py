"""Tagging whole corpora: records are read from files, tagged in shards, and written as they came.

`annotating` has the public function. `sources` finds files and divides their records into shards,
`tagging` tags them, and `outputs` writes them, in the formats of `formats`. A `job` says what to do
and what is done already, based on what `identity` knows about the pipeline; `engines` do it.
"""
