"""Messages about files, URLs and whole corpora: RNN201 to RNN299."""


class FilesErrors:
    """Templates, whose fields are filled in by `str.format`."""

    RNN201 = (
        "{name} is damaged, or not compressed although its name ends in .gz: {reason}. Write or "
        "download it again."
    )
    RNN202 = "{where}: not UTF-8 (byte 0x{byte:02x}: {reason}). Save the file as UTF-8."
    RNN203 = "{path} is a folder. Name a file."
    RNN204 = "{path} is a file. Name a folder."
    RNN205 = (
        "{path} can't be written, because {parent} is a file and not a folder. Change the path."
    )
    RNN206 = "{path} does not exist. Check the path."
    RNN207 = "The Python file {path} can't be run: {reason}"
    RNN208 = (
        "{output} must be a new or empty folder, or hold a pipeline and nothing else, but it "
        "contains {names}. Name another folder, or empty this one."
    )
    RNN209 = (
        "{output} exists, and holds no output of this command. Name another folder, or delete this "
        "one."
    )
    RNN210 = (
        "{path} should describe how this output was begun, but can't be read ({reason}). Name "
        "another folder, or delete this one."
    )
    RNN211 = (
        "{output} was begun with other settings:\n{differences}\nName another folder, or delete "
        "this one."
    )
    RNN212 = "{path} exists. Pass --force to overwrite it."
    RNN213 = (
        "The name of {path} must end in {suffixes} for the format {format}. Change the name, or "
        "the format."
    )
    # Inputs of whole corpora.
    RNN214 = (
        "{pattern} contains no texts other than this command's own output. Name a file, folder or "
        "glob with texts."
    )
    RNN215 = "Unknown format of {names}. The names must end in {suffixes}."
    RNN216 = (
        "'{pattern}' matches no file to read. Name a file, a folder or a glob of files whose names "
        "end in {suffixes}."
    )
    # What runs a job.
    RNN217 = (
        "A component or an error handler dropped the doc: the pipeline must return one doc per "
        "text, but returned {docs}."
    )
    RNN218 = (
        "A process died, probably for lack of memory. It was at one of the shards below, none of "
        "which is written. Run the same command again to continue with them, with fewer processes "
        "or a smaller batch size if memory was short.\n{shards}"
    )
    RNN219 = (
        "{attempts} actors died one after the other at {shard}, probably for lack of memory. What "
        "is written stays. Run the same command again to continue with the rest, with fewer actors "
        "or a smaller batch size if memory was short."
    )
    RNN220 = "Ray failed: {reason}"
    RNN221 = (
        "{model} is neither an installed package nor the folder of a pipeline, which would contain "
        "a file meta.json. Check the name."
    )
    RNN222 = "The package {package} is not installed: pip install {source}"
    RNN223 = (
        "{path} is not a Python file that exists. Name the file with the functions that the "
        "pipeline needs."
    )
