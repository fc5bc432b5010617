"""The systems that the integration talks to, played for tests and for the demo.

The brokers are real ones on loopback; only the vendors' clouds and the cars are played.
"""
