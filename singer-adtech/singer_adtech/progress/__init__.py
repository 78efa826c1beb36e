"""Progress of streams: windows, bookmarks, and the signatures of their states."""
