"""What commands find out before they print it."""
