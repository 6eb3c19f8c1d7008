"""Messages about distilling: RNN601 to RNN699."""


class DistillationErrors:
    """Templates, whose fields are filled in by `str.format`."""

    # Settings.
    RNN601 = (
        "rounds is {rounds}, but n_docs is not given, so all texts are annotated and there is "
        "nothing to choose. Set n_docs to the number of texts to annotate."
    )
    RNN602 = (
        "n_docs and replace need a teacher that is a pipeline, but without texts the teacher is "
        "annotated data. Give texts, or leave out n_docs and replace."
    )
    RNN603 = (
        "Got {n} teachers and no texts, but annotated data can't be averaged. Name one file or "
        "folder of annotated data."
    )
    RNN604 = (
        "replace puts the student into the pipeline of one teacher, but got {n} teachers. Name one "
        "teacher, or leave out replace."
    )
    RNN605 = (
        "The student can't learn posteriors, although soft is set: {reason}. Leave out soft, or "
        "what prevents it."
    )
    RNN606 = "Several teachers are averaged by their posteriors, but {reason}. Name one teacher."
    # Teachers.
    RNN607 = "The teacher has no component '{name}'; its components are {components}."
    RNN608 = (
        "The teacher's component '{name}' does not find entities; it assigns {assigned}. Name the "
        "component that sets doc.ents."
    )
    RNN609 = (
        "The teacher writes no span group '{spans_key}'; the groups of its docs are {groups}. Set "
        "spans_key to one of them, or leave it out to use doc.ents."
    )
    # What there is to learn from.
    RNN610 = (
        "There is no text to learn from. Records that can't be read: {unreadable:,}; without a "
        "word: {empty:,}. Name files with texts."
    )
    RNN611 = (
        "At least {needed} different docs are needed, but {source} has {found:,}. Give more texts."
    )
    RNN612 = (
        "There is no doc to learn from, because the teacher failed on all texts. Run the teacher "
        "on a few of them to see why."
    )
    RNN613 = (
        "trust names labels of which the teacher found no entity: {names}. The labels that it "
        "found are {found}."
    )
    RNN614 = (
        "min_confidence is {min_confidence}, but {unrated:,} of the teacher's entities have no "
        "confidence. Name a span group with scores by spans_key, or leave out min_confidence."
    )
    RNN615 = (
        "The teacher found no entity in {docs}, so there is nothing to learn. Check that the "
        "teacher fits the texts."
    )
    RNN616 = (
        "A gold corpus can't be called '{name}', because the config uses this name for what the "
        "teacher found. Give it another name."
    )
    RNN617 = "{path} has no annotated docs. Name annotated data."
    # Measuring and replacing.
    RNN618 = "There are no held-out docs to compare teacher and student on. Pass docs with tokens."
    RNN619 = "There are no texts to measure the speed on. Pass texts that are not blank."
    RNN620 = (
        "The student reads word vectors ({student}) that are not those of the teacher ({teacher}), "
        "but a pipeline has one table of vectors. Train the student with the teacher's vectors "
        '([initialize] vectors = "{pipeline}") or without vectors (include_static_vectors = '
        "false)."
    )
    RNN621 = (
        "The student reads the norms of words, but those of {words} differ in the teacher's "
        "vocab{examples}, so the student would find other entities than on its own. Train it with "
        "the teacher's norms: name the teacher as `vocab` of spacy.copy_from_base_model.v1 in "
        "[initialize.before_init] of the student's config."
    )
    RNN622 = (
        "{output} has results of other settings:\n{differences}\nName another folder, or delete "
        "{made} in this one; everything else is used again."
    )
