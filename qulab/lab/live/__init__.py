"""What happens reaches open pages at once: one stream for each tab, fed from one Redis connection of the process."""
