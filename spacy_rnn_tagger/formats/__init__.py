"""Formats of files: what `convert`, `annotate`, `report` and `calibrate` read and write.

A format is one class in one file, a `base.Format` (or a `lines.LineFormat`, for a record a line),
and one line in `registry.FORMATS`. Its roles are what it can be used for: texts to annotate,
annotated text, or output. Commands, messages and the documentation of formats use the registry.

- `record`: a record with its text and its annotation, whatever file it comes from
- `base`, `lines`, `json_records`: what formats have in common
- `text`, `inline`, `jsonl`, `parquet`, `docbin`, `label_studio`, `doccano`, `prodigy`, `conll`,
  `brat`, `spacy_json`: the formats
- `registry`: all of them, found by name, by a file's suffix, or by its content (a `sample.Sample`)
- `placing`, `offsets`, `tags`: from what files contain to spans of tokens
- `docs`: from annotation to spaCy's docs and back
- `corpus`: the files of annotated data, and their docs; `findings`: what else to report;
  `reports`: the report itself
- `agreement`, `resolving`: several annotations of one text
- `storage`: files here or at a URL
"""
