"""What people should look at: texts to annotate next, and annotation that may be wrong.

- `selecting`: the public function `select`; `scanning` reads all texts once, `uncertainty` says how
  unsure a pipeline is of each, `novelty` what a text offers where there is no pipeline yet,
  `diversity` keeps the best ones and takes none twice, and `questions` asks about single spans
- `auditing`: the public function `audit`; `folds` trains models that did not see what they judge,
  `suspicion` ranks the annotation, `page` shows it
"""
