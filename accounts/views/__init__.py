"""Pages of one's account: they read a form, count the try, make one call, and answer."""
