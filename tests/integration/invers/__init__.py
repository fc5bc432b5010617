"""An INVERS fleet at the real broker, as its user sees it."""
