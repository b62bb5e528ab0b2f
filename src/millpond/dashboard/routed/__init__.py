"""The pages about routes: all of them, and one."""
