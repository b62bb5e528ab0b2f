"""What answers tell caches in front that don't come from Millpond's own cache (`[cdn]`)."""
