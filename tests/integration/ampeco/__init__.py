"""AMPECO by webhook, from the HTTP request to the entity."""
