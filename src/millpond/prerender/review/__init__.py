"""What a whole build refuses or warns of, from the plans of all its routes."""
