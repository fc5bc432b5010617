"""What plays the vendors is faithful, and its physics honest."""
