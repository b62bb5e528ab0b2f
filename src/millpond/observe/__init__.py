"""What a render or a cached function uses besides the request. Installed by builds only, and removed when they end."""
