"""The record: how it is sealed (`chain`), written (`log`) and checked (`verify`)."""
