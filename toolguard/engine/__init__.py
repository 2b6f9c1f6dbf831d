"""The pure engine: policies compiled to closures, and one function that turns a call into a decision."""
