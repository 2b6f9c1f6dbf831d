"""Secrets and personal data: what is looked for (`secrets.py`, `personal.py`), and what is found in a value."""

from __future__ import annotations

from toolguard.classify.sensitive.classifier import CATEGORIES as CATEGORIES
from toolguard.classify.sensitive.classifier import CLASSIFIER as CLASSIFIER
from toolguard.classify.sensitive.classifier import chosen as chosen
from toolguard.classify.sensitive.classifier import scanner_of as scanner_of
