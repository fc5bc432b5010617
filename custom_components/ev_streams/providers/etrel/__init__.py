"""Etrel Ocean: a charging network's message queues, one for each type of message."""
