"""AMPECO: notifications of charge points, by webhook or through a Kafka cluster of the user's."""
