"""What a run may do, and what is learnt while it runs."""
