"""What happens while an application is made: its folder, its options, and the instrumentation of the project."""
