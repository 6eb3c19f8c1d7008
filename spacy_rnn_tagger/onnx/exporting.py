"""Export of a pipeline: a copy on disk that runs without torch."""

from pathlib import Path
from tempfile import TemporaryDirectory

from spacy.language import Language

from ..errors import Errors
from ..io import check_folder
from ..pipeline.folders import load_pipeline, write_pipeline


def export(model: Language | str | Path, output: str | Path, *, int8: bool = False) -> list[str]:
    """Write a pipeline whose `rnn_ner` is an ONNX graph, for machines without torch.

    Such a machine needs onnxruntime and spaCy. `spacy.load` loads the exported pipeline, which
    finds the same entities with the same confidences. It can't be trained. A `Language` that is
    passed in is not changed.

    Args:
        model: The trained pipeline, or its folder or package name.
        output: The folder to write to, which must be new or empty.
        int8: Whether to store weights in 8 bits, which takes a quarter of the space but is less
            exact.

    Returns:
        The names of the exported components.

    Raises:
        ModuleNotFoundError: The extra `onnx` is not installed.
        OSError: The pipeline can't be read, or the folder can't be written.
        ValueError: The folder is not empty, or the pipeline has no trained `rnn_ner`. Nothing is
            written.
    """
    from .conversion import export_pipeline

    folder = Path(output)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(Errors.RNN703.format(folder=folder))
    check_folder(folder)
    nlp = _copied(model) if isinstance(model, Language) else load_pipeline(model)
    names = export_pipeline(nlp, int8=int8)
    write_pipeline(nlp, folder)
    return names


def _copied(nlp: Language) -> Language:
    """Copy a pipeline, so that components can be replaced in the copy."""
    with TemporaryDirectory() as folder:
        nlp.to_disk(folder)
        return load_pipeline(folder)
