"""A view translates a request into one call and its answer into a page; all of them work without JavaScript."""
