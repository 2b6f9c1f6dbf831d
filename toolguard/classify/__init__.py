"""Text to facts: one file a classifier. A condition uses the facts; it never talks to a classifier."""
