"""Messages about what to annotate next, and audits: RNN501 to RNN599."""


class ReviewErrors:
    """Templates, whose fields are filled in by `str.format`."""

    # select
    RNN501 = (
        "by is '{by}', which only a pipeline can measure, but no pipeline is given. Name one, or "
        "leave out by."
    )
    RNN502 = "spans needs a pipeline to ask about, but none is given. Name one, or leave out spans."
    RNN503 = (
        "Questions about single spans can't be written in the format {format}, which annotates "
        "each text as a whole. Use {formats}."
    )
    RNN504 = (
        "There is nothing to select in {texts}. Records read: {read:,}; without a word: "
        "{empty:,}; annotated already: {excluded:,}; failed: {failed:,}.{reasons}"
    )
    RNN505 = (
        "{name} can't be written, because web servers are only read. Name a path, or a URL of a "
        "file system that can be written, such as s3://bucket/next.jsonl."
    )
    RNN506 = (
        "{model} has learned no label yet, so it is unsure of nothing. Give {no_model} instead of "
        "it to start from raw text."
    )
    # audit
    RNN507 = (
        "steps is {steps}, but folds is 0, so nothing is trained. Set folds, or leave out steps."
    )
    RNN508 = (
        "{folds} folds need at least {needed} different docs, but the data has {found}. Use fewer "
        "folds, or 0 if the pipeline was not trained on this data."
    )
    # texts that select leaves out
    RNN509 = (
        "{source} has no annotated text to leave out{found}. Name annotated data, such as the "
        "export of an annotation tool, or the file that convert made of it."
    )
    RNN510 = (
        "{path} is both the annotated data to leave out and the output, which would replace it. "
        "Choose another name for the output."
    )
