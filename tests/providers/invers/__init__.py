"""INVERS: what its events say, and which entities show it."""
