"""Messages about reports and calibration: RNN401 to RNN499."""


class EvaluationErrors:
    """Templates, whose fields are filled in by `str.format`."""

    RNN401 = (
        "{pipeline} has no component rnn_ner; its components are {components}. Name a pipeline "
        "that has one."
    )
    RNN402 = "'{name}' is not a component rnn_ner of the pipeline, which has {components}."
    RNN403 = (
        "The pipeline has several components rnn_ner: {components}. Name one of them with "
        "component, or --component."
    )
    # Data.
    RNN404 = "{data} has no docs. Name data with annotated docs."
    RNN405 = (
        "{data} has {docs}, but no annotation of entities. Name data in which entities are "
        "annotated."
    )
    RNN406 = "{data} is annotated, but has no entity in {docs}. Name data that has entities."
    RNN407 = (
        "{shared} of the {n_docs} docs in {data} are training data of this pipeline. A model is "
        "more confident there than elsewhere, so calibrate on data that was held out."
    )
    # Reports.
    RNN408 = "{path} is named twice, for the report and for the export. Name two different files."
    RNN409 = (
        "There is nothing to score: {model} writes none of the labels of {data}, which are "
        "{labels}. Add one of them to the component's setting output_labels."
    )
    # Calibration.
    RNN410 = "coverage must be a number above 0 and below 1, but got {received!r}."
    RNN411 = (
        "coverage sets the floors of candidates, which are written to a span group, but spans_key "
        "of component '{name}' is None. Set spans_key to the name of a group."
    )
    RNN412 = (
        "A coverage of {coverage:g} can't be kept for any label: {problems}. Lower the coverage, "
        "or calibrate on more data."
    )
    RNN413 = (
        "precision of '{label}': component '{name}' does not write this label, so a threshold has "
        "no effect. The labels that it writes are {written}; see its setting output_labels."
    )
    RNN414 = (
        "precision of '{label}': {data} has no entity of this label, so a precision can't be "
        "measured. The labels in the data are {labels}."
    )
    RNN415 = "{output} is the folder of the pipeline itself. Name another folder."
    RNN416 = (
        "Too few entities to calibrate: the model finds {found} in the data, but {needed} are "
        "needed. Calibrate on more data."
    )
    RNN417 = (
        "All {found} entities that the model finds in the data are {outcome}, so there is nothing "
        "to fit a temperature to. Calibrate on more data, or on harder data."
    )
    RNN418 = (
        "Too few entities to calibrate {label}: the model finds {found} in the data, but {needed} "
        "are needed. Calibrate on more data, or leave out this label."
    )
    RNN419 = (
        "No threshold reaches a precision of {target:g} for {label}. The highest precision on "
        "{needed} entities or more is {precision:.3f}, on {kept} entities with a probability of "
        "{threshold:.3f} or more. Ask for a lower precision, or calibrate on more data."
    )
    RNN420 = (
        "--precision must be LABEL=NUMBER, with a number above 0 and at most 1, but got "
        "'{received}'."
    )
