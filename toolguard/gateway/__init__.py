"""The guard as a service of its own: an HTTP interface, and pages for the people who answer. Needs the extra `server`."""
