"""What to request next and what counts as read: windows, bookmarks, and the signatures of their states."""
