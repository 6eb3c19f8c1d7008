"""Messages about formats and what is in their files: RNN101 to RNN199."""


class FormatsErrors:
    """Templates, whose fields are filled in by `str.format`."""

    # Files and their formats.
    RNN101 = "{path} is neither a file nor a folder. Name a file, or a folder of files."
    RNN102 = (
        "{path} is not in a known format: no format recognises its content, and its name doesn't "
        "end in {suffixes}. Name the format with --format."
    )
    RNN103 = "{path} may be {formats}. Choose one of them with --format."
    RNN104 = "The folder {folder} is empty, but must hold files whose names end in {suffixes}."
    RNN105 = (
        "The folder {folder} has no file that is in a known format and whose name ends in "
        "{suffixes}. It holds {found}."
    )
    RNN106 = "{name} can't be read or written: {reason}"
    RNN107 = (
        "{path} can't be read as spaCy's binary format: {reason}. Check that the file is complete, "
        "and that `DocBin.to_disk` or a command wrote it."
    )
    RNN108 = "{path} can't be read as Parquet: {reason}"
    RNN109 = "{path} has no column '{column}'. Choose from its columns with --text-column: {names}."
    RNN110 = "{path} has several columns '{column}'. Rename all but one of them. It has: {names}."

    # Settings of reading.
    RNN111 = "{setting} must not be 0. Columns count from 1, or from -1 for the last one."
    RNN112 = (
        "incorrect-spans-key must be the name of a span group, but got ''. Name one, or leave the "
        "setting out."
    )

    # Objects in JSON.
    RNN113 = "Not JSON: {reason}."
    RNN114 = "A record must be a JSON object, but got {received}."
    RNN115 = "A record must be an object with '{key}', a string, but got {received}."
    RNN116 = "The key '{key}' must appear once in a record, but appears {count} times."
    RNN117 = "A record must have a list in one of {keys}, but has {found}."
    RNN118 = "{what} must be a list, but got {received}."
    RNN119 = "{what} must be a list of objects, but got {received}."
    RNN120 = (
        "An entity must have start and end, which are whole numbers, and a label, but got "
        "{received}."
    )
    RNN121 = (
        "{what} has half of a character, {code}, at its character {place}. Write the character as "
        "a whole."
    )

    # The inline format.
    RNN122 = (
        "Column {column}: '[' inside a span, but spans can't be nested. For the character, write "
        r"'\['."
    )
    RNN123 = r"Column {column}: ']' without '['. For the character, write '\]'."
    RNN124 = (
        "Column {column}: A span must not be empty, nor begin or end with a space, but got "
        r"{received}. For such a space, write '\u0020'."
    )
    RNN125 = (
        "Column {column}: '[' is not closed; it is in column {opened}. For the character, write "
        r"'\['."
    )
    RNN126 = r"Column {column}: ']' must be followed by '(LABEL)'. For the character, write '\]'."
    RNN127 = "Column {column}: ']' must be followed by '(LABEL)', but '(' is not closed."
    RNN128 = (
        "Column {column}: ']' must be followed by '(LABEL)', whose label must not be empty, nor "
        r"begin or end with a space. For such a space, write '\u0020'."
    )
    RNN129 = "Column {column}: {received} in a label. For the character, write '{escape}'."
    RNN130 = "Column {column}: '{escape}' is half of a character. Write the character as a whole."
    RNN131 = (
        "A span must have a label, lie in the text and begin after the span before it, but got "
        "({start}, {end}, {label!r}) after character {after} of {length}."
    )

    # Spans on tokens.
    RNN132 = (
        "{span} does not align with {tokens} in {context}. Correct the offsets, or choose a "
        "treatment with --misaligned."
    )
    RNN133 = "{span} is empty or not within the text, which has {length:,} characters: {context}."
    RNN134 = (
        "{span} overlaps {other} in {context}. Remove one of them, or choose a treatment with "
        "--overlapping."
    )
    RNN135 = (
        "{span} overlaps {other} when expanded to tokens, in {context}. Remove one of them, or "
        "choose a treatment with --overlapping."
    )

    # Tags and columns.
    RNN136 = "{received} is not a tag such as O, B-GPE or I-GPE."
    RNN137 = (
        "Column {column} holds {received}, which is not a tag such as O, B-GPE or I-GPE. Name the "
        "column of the tags with --tag-column."
    )
    RNN138 = "Column {column}, that of the token, is empty. Name the column with --token-column."
    RNN139 = "A line must have two columns or more, a token and its tag, but got {received}."
    RNN140 = (
        "There is no column {column} for the {what}, since the line has {found}. Name the column "
        "with --{what}-column."
    )

    # BRAT.
    RNN141 = "There is no {path}. A text is read from a pair of files, `.txt` and `.ann`."
    RNN142 = (
        "A line must look like 'T1<TAB>Label 0 8<TAB>Red Fort', or begin with one of {kinds}, but "
        "got {received}."
    )
    RNN143 = "{label} has the offsets {start} to {end}, but the text has {length:,} characters."
    RNN144 = (
        "{label} is {received}, but its offsets mean {found}. Check that the text is the one that "
        "was annotated."
    )

    # spaCy's JSON.
    RNN145 = (
        "A record must be ['text', {{'entities': [...]}}] or an object with 'paragraphs', but got "
        "{received}."
    )
    RNN146 = "A token must have 'orth', a string that is not empty, but got {received}."
    RNN147 = "'ner' of a token must be a tag, but got {received}."
    RNN148 = "A paragraph must have sentences with tokens, but has none."
    RNN149 = "The tokens don't make up 'raw', which is {raw}. Correct either of them."

    # doccano.
    RNN150 = (
        "{received} is a label of the whole text, not of a span. Export a project for sequence "
        "labelling."
    )
    RNN151 = "The label {label} is a number. Export labels as text."

    # Label Studio.
    RNN152 = "A task must be an object, but got {received}."
    RNN153 = (
        "Annotation of <{tag}> can't be read, since its offsets don't refer to a text. Annotate "
        "the text in <Text>."
    )
    RNN154 = "A region must have a 'value', but got {received}."
    RNN155 = (
        "Which key of the data is the text? Choose one with --text-column. Keys with a string: "
        "{keys}."
    )

    # Columns whose number differs.
    RNN156 = (
        "A line must have {width} columns, as most lines of the file do, but has {found}. If "
        "tokens contain spaces, separate the columns of all lines by tabs alone."
    )
