"""Options shared by the commands that read raw texts."""

import typer

TEXT_COLUMN = typer.Option("text", "--text-column", "-t", help="Key or column of the text")
WHOLE_FILES = typer.Option(False, "--whole-files", help="Read each text file as one record")
NEAR_DUPLICATES = typer.Option(
    True,
    "--near-duplicates/--exact-duplicates",
    help="Leave out texts that nearly repeat another one, or only exact repetitions",
)
FROM_NAME = typer.Option(
    "label", "--from-name", help="Name of <Labels> in Label Studio's configuration"
)
TO_NAME = typer.Option("text", "--to-name", help="Name of <Text> in Label Studio's configuration")
ENGINE = typer.Option("local", "--engine", help="Where to run: local, or ray for a cluster")
N_PROCESS = typer.Option(1, "--n-process", "-n", help="Number of processes, or of Ray actors")
BATCH_SIZE = typer.Option(
    None, "--batch-size", "-b", help="Docs per batch; the pipeline's own setting if not given"
)
MAX_LENGTH = typer.Option(
    None,
    "--max-length",
    help="Characters per text, at most; the pipeline's own setting if not given",
)
