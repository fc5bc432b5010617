"""AMPECO's notifications in a topic of a real Kafka cluster, as its user sees them."""
