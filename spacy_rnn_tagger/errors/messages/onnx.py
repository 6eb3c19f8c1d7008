"""Messages about export: RNN701 to RNN799."""


class ONNXErrors:
    """Templates, whose fields are filled in by `str.format`."""

    RNN701 = (
        "The pipeline has no component 'rnn_ner' with the architecture {architecture}, which could "
        "be exported. Its components: {names}."
    )
    RNN702 = (
        "The component '{name}' has not been trained, so there is nothing to export. Train the "
        "pipeline first."
    )
    RNN703 = "{folder} exists and is not an empty folder. Name a folder that is new or empty."
    RNN704 = (
        "An exported pipeline can't be trained. Train the one that it was exported from, and "
        "export it again."
    )
