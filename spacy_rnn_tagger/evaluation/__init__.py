"""What a trained pipeline does on annotated data: outcomes, calibration, figures, and their page.

It needs the extra `evaluation` (SciPy, Matplotlib, Jinja2); tagging does not.
"""
