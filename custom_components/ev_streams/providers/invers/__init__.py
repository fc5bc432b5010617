"""INVERS OneAPI: events of a fleet's vehicles."""
