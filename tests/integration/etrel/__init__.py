"""An API access of Etrel Ocean at the real broker, as its user sees it."""
