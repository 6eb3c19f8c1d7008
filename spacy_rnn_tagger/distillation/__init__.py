"""Distillation: from any pipeline that finds entities to a fast `rnn_ner`.

`distilling` holds the public function. The other modules, in the order of the steps: `texts` (which
texts are read), `teachers` (running teachers over them), `gold` (additional annotation by people),
`corpora` (what is learned, as corpora for training), `students` (the config, and plain
`spacy train`), `comparing` (agreement, and both on gold annotation), `measuring` (speed, size,
memory and start-up, with `probe` in a fresh process), `page` (the report), `card` (the model card),
and `replacing` (the teacher's pipeline with the student in it).
"""
