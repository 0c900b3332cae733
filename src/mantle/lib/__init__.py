"""What would fit any project."""
