"""The request as handlers get it, with every read tracked."""
