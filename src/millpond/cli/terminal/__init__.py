"""What the commands share of the terminal: their options, what they print, the files that they write."""
