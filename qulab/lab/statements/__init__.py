"""What a request sent to the database stands at the foot of its page, and can be explained from there."""
