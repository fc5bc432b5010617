"""Tests of what the recorder has in the end."""
