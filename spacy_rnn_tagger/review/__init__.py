"""What people should look at: texts to annotate next, and annotation that may be wrong.

- `selecting`: the public function `select`; `scanning` reads all texts once, `uncertainty` measures
  how unsure a pipeline is of each, `novelty` rates texts if there is no pipeline yet, `diversity`
  keeps the best ones and takes none twice, and `questions` asks about single spans
- `auditing`: the public function `audit`; `folds` trains models on docs other than those that they
  judge, `suspicion` ranks the annotation, and `page` shows it
"""
