"""All messages, one module per subject. A code is never used again for another message."""

from ..codes import WithCodes
from .distillation import DistillationErrors
from .evaluation import EvaluationErrors
from .files import FilesErrors
from .formats import FormatsErrors
from .onnx import ONNXErrors
from .review import ReviewErrors
from .settings import SettingsErrors
from .training import TrainingErrors


class Errors(
    SettingsErrors,
    FormatsErrors,
    FilesErrors,
    TrainingErrors,
    EvaluationErrors,
    ReviewErrors,
    DistillationErrors,
    ONNXErrors,
    metaclass=WithCodes,
):
    """Errors: "RNN" and three digits, of which the first tells the subject."""


class Warnings(metaclass=WithCodes):
    """Warnings: "RNNW" and two digits."""

    RNNW01 = (
        "{setting} is {config!r} in the config, but {saved!r} in the component that is loaded; "
        "{used!r} is used. To settle it, set {setting} in the component and save that."
    )
    RNNW02 = (
        "The vocabulary is built from only {n_docs} docs, because the component that owns it shows "
        "no more at initialisation. Use this layer in 'rnn_ner', or use LexemeEmbed.v1, which "
        "needs no vocabulary."
    )
    RNNW03 = (
        "A component keeps docs after the pipeline has finished with them. Their words can't be "
        "freed, so memory use grows with each shard."
    )
    # Replacing a component.
    RNNW04 = "{removed} is removed as well, because no component but '{name}' listened to it."
    RNNW05 = (
        "The student reads word vectors, but the teacher has none. The pipeline gets the student's "
        "vectors, so token.vector and similarity() use them as well."
    )
    RNNW06 = (
        "The student's language is '{student}', but the teacher's is '{teacher}'. Words may have "
        "other norms and shapes than the student learned."
    )
    RNNW07 = (
        "The tokenizers of student and teacher differ. The student gets other tokens than it "
        "learned from, and may find other entities than in its own pipeline."
    )
    RNNW08 = (
        "The student reads sentence by sentence (context = 'sentence'), but learned from docs "
        "without sentences. In this pipeline, '{setter}' sets sentences before it."
    )
    # Files.
    RNNW09 = "{source} repeats words, in {entries}. The first vector of each word is used."
    RNNW10 = (
        "Not read in {source}: {files}. A file's name must end in {suffixes}, and its content must "
        "be in a known format."
    )
