"""The classifiers there are. Validation, the JSON Schema, the engine and the documentation read this."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolguard.classify import argv, path, semantic, sensitive, shell, sql, url, write

if TYPE_CHECKING:
    from toolguard.classify.base import Classifier

CLASSIFIERS: dict[str, Classifier] = {
    each.name: each
    for each in (
        argv.CLASSIFIER,
        path.CLASSIFIER,
        semantic.CLASSIFIER,
        sensitive.CLASSIFIER,
        shell.CLASSIFIER,
        sql.CLASSIFIER,
        url.CLASSIFIER,
        write.CLASSIFIER,
    )
}
