"""Where records live. A store is a small set of atomic verbs (`base.py`); every store passes the same contract tests."""
