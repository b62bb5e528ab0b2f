"""What people who operate an application ask it for: metrics, and the dashboard."""
