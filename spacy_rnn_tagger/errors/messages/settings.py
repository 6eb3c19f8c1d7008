"""Messages about the component's settings, models and layers: RNN001 to RNN099."""


class SettingsErrors:
    """Templates, whose fields are filled in by `str.format`."""

    # The checks that all settings share: `spacy_rnn_tagger.errors.checks`.
    RNN001 = "{setting} must be one of {choices}, but got {received!r}."
    RNN002 = "{setting} must be a whole number of {minimum} or more, but got {received!r}."
    RNN003 = "{setting} must be at least 0 and below 1, but got {received!r}."
    RNN004 = "{source} can't be loaded: {reason}"
    # The component.
    RNN005 = "{setting} must be a number from 0 to 1, but got {received!r}."
    RNN006 = "{setting} must be a number above 0 and at most 1, but got {received!r}."
    RNN007 = "temperature must be a number from 1e-100 to 1e100, but got {received!r}."
    RNN008 = "{setting} must be the name of a span group, or null, but got {received!r}."
    RNN009 = "output_labels must be a list of labels, or null for all labels, but got {received!r}."
    RNN010 = (
        "candidates is set, but spans_key is None, so there is no span group to write the "
        "candidates to. Set spans_key as well."
    )
    RNN011 = "There is no setting {received!r}. Did you mean {nearest!r}?"
    RNN012 = "{setting} is a setting of the component and can't be removed. Change its value."
    RNN013 = (
        "labels can't be assigned, because the network has an output for each label. Add labels "
        "with add_label."
    )
    RNN014 = (
        "scheme is {current!r} and can't become {received!r}, because the outputs of the network "
        "are the tags of its scheme. Train a component with the other scheme."
    )
    RNN015 = (
        "Component '{name}' needs a model with an output for tags, but got the model '{model}'. "
        "Use the architecture spacy_rnn_tagger.RNNTagger.v1."
    )
    RNN016 = (
        "Component '{name}' can't be loaded: no file '{file}' in {folder}. Give a folder that "
        "to_disk wrote."
    )
    RNN017 = (
        "Component '{name}' can't load {source}. It is damaged, or was saved with settings other "
        "than those in this pipeline's config: {reason}"
    )
    RNN018 = "{setting} is {current!r} in this pipeline, but {saved!r} in the saved component."
    RNN019 = (
        "The component has no label {labels}. Call update, which adds the labels of its examples, "
        "or add_label."
    )
    RNN020 = (
        "The annotation of these docs of the batch (counted from 0) contradicts the tagging "
        "scheme: {docs}. No legal sequence of tags agrees with it. Correct their annotation."
    )
    # Soft annotation and confidences.
    RNN021 = (
        "doc.spans['{key}'] needs one score per span, but has scores: {n_scores}, spans: "
        "{n_spans}, in the doc that begins with {text!r}. Write this group with "
        "spacy_rnn_tagger.pipeline.soft_annotation.set_posteriors."
    )
    RNN022 = (
        "doc.spans['{key}'] needs scores that are probabilities from 0 to 1, but got {score!r} for "
        "{span!r} ({label}), in the doc that begins with {text!r}. Write this group with "
        "spacy_rnn_tagger.pipeline.soft_annotation.set_posteriors."
    )
    RNN023 = (
        "doc.spans[{key!r}] has no scores. The component 'rnn_ner' writes them if its setting "
        "spans_key is {key!r}; spaCy's Doc.from_docs and Span.as_doc drop them. Pass default to "
        "get a value instead of this error."
    )
    RNN024 = (
        "{text!r} ({label}) is not in doc.spans[{key!r}], so it has no confidence. Merging tokens "
        "after the component can make an entity longer. Pass default to get a value instead of "
        "this error."
    )
    # Models and layers.
    RNN025 = "attrs and rows must have the same length of 1 or more, but got {attrs} and {rows}."
    RNN026 = (
        "max_length must be 0 or more than twice overlap, and overlap 0 or more, but got "
        "max_length = {max_length!r} and overlap = {overlap!r}."
    )
    RNN027 = (
        "PretrainWords.v1 needs a recurrent layer, but the component's layer has none. Pretrain "
        "the layer 'encoder' of a component rnn_ner, or a tok2vec that encodes with RNNEncoder.v1."
    )
    RNN028 = (
        "PretrainWords.v1 can't use a bidirectional network of more than one recurrent layer, "
        "because its states have read the word to predict. Set depth = 1, or use "
        "spacy.PretrainCharacters.v1."
    )
    RNN029 = "Texts and --file are both given, but only one of them can be read. Leave one out."
    RNN030 = (
        "spacy pretrain can't train a network with WordEmbed.v1 or OneHotEmbed.v1, because it does "
        "not show them the texts to collect their words from. Use LexemeEmbed.v1, which needs no "
        "vocabulary."
    )
