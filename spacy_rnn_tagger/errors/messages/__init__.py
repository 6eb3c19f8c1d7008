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

    # Settings.
    RNNW01 = (
        "{setting} is {config!r} in the config, but {saved!r} in the component that is loaded. "
        "{used!r} is used. To be sure, set it in the component and save that."
    )
    RNNW02 = (
        "The vocabulary is built from {n_docs} docs only, because the component that owns it shows "
        "no more at initialization. Use this layer in 'rnn_ner', or use LexemeEmbed.v1, which needs "
        "no vocabulary."
    )
    # Whole corpora.
    RNNW03 = (
        "A component keeps docs after the pipeline has finished with them. Their words can't be "
        "freed, so memory use grows with each shard."
    )
    RNNW04 = "Skipped {files} ({counts}), which can't be read as texts: {names}"
    # Replacing a component.
    RNNW05 = "{removed} is removed as well, because no component but '{name}' listened to it."
    RNNW06 = "VECTORS"
    RNNW07 = (
        "The student's language is '{student}', but the teacher's is '{teacher}'. Words may have "
        "other norms and shapes than the student learned."
    )
    RNNW08 = (
        "The tokenizers of student and teacher differ. The student gets other tokens than it "
        "learned from, and may find other entities than in its own pipeline."
    )
    RNNW09 = (
        "The student reads sentence by sentence (context = 'sentence'), but learned from docs "
        "without sentences. In this pipeline, '{setter}' sets sentences before it."
    )
