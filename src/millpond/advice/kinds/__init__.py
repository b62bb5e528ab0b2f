"""The kinds of advice: each is a function from what was observed to what is to be changed."""
