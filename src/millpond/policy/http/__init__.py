"""The HTTP rules for answers: whether one may be stored or sent, in which coding, and with which headers."""
