"""ugclab: put a face into chosen segments of a video, leave the rest untouched, know what it cost."""
