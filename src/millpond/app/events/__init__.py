"""What happens in an application, for those who operate it."""
